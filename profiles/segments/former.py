"""States from before leaves shared them: each count kept stamps of its own, under its own name."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from profiles.segments.index import Index
from stores.profiles import LeafState, Profile


def unite(profile: Profile, index: Index) -> tuple[set[bytes], set[bytes]]:
    """Make one state of those that a profile has of the same events; return the names that came and those that went.

    What the leaves kept is enough for each of them. What was due stays due.
    """
    gone = index.former.keys() & profile.leaves.keys()
    together: dict[bytes, list[LeafState]] = defaultdict(list)
    for key in gone:
        together[index.former[key]].append(profile.leaves.pop(key))
    for name, those in together.items():
        state = profile.leaves.setdefault(name, LeafState([]))
        those.append(state)
        state.stamps = index.kept[name].build((stamp, None) for stamp in _united(each.stamps for each in those))
        state.due_at = min((each.due_at for each in those if each.due_at), default=None)
    return set(together), gone


def _united(kept: Iterable[Sequence[int]]) -> Iterable[int]:
    """Unite stamps of the same events: one that several leaves kept is one event."""
    counted: Counter[int] = Counter()
    for stamps in kept:
        counted |= Counter(stamps)
    return counted.elements()
