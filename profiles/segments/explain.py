"""Why a profile is in a segment or is not, condition by condition, and what time alone will make of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

import msgspec

from domain.clock import to_micros
from domain.segment import And, Definition, Not, Or
from profiles.segments.evaluate import next_change, truth_of
from profiles.segments.index import Index, Leaf, Segment, is_kept
from profiles.segments.leaf import KeptLeaf, Moment, ScoreLeaf, moments_of
from profiles.segments.reading import inside
from profiles.segments.references import leaves_of
from profiles.segments.session import SessionLeaf
from profiles.segments.text import as_text
from stores.events import Happening
from stores.profiles import LeafState, Profile

MOST_EVENTS = 20
"""Message ids that are told of one condition."""


class Reason(msgspec.Struct, frozen=True):
    """One condition, and what there is of it."""

    place: str
    """In the definition: `children[1]`; empty for a definition that is one condition."""
    text: str
    holds: bool
    decisive: bool
    """Whether the answer rests on it: of a false "and" the conditions that are false, and so on."""
    actual: float | None
    """What was counted or added up, or how many steps or unanswered events there are."""
    changes_at: datetime | None
    """When it changes if nothing happens."""
    events: tuple[str, ...]
    """The message ids of the newest events that it looks at."""


class Explanation(msgspec.Struct, frozen=True):
    """An answer, and when it changes if nothing happens."""

    holds: bool
    changes_at: datetime | None
    reasons: tuple[Reason, ...]


def explain(
    segment: Segment, others: Iterable[Segment], profile: Profile, history: Sequence[Happening], now: datetime
) -> Explanation:
    """Explain a segment over what is known of a profile: its traits and scores, and its events.

    `others` are the segments that it may speak of.
    """
    parts = {place: Segment(uuid4(), f"#{place}", 1, leaf) for place, leaf in leaves_of(segment.definition)}
    index = Index([*(each for each in others if each.key != segment.key), segment, *parts.values()])
    happened = [(each.name, each.properties, to_micros(each.at)) for each in history]
    moments = {leaf.state: moments_of(leaf, happened) for leaf in index.kept_of[segment.id]}
    built = {leaf.state: LeafState(leaf.build(moments[leaf.state])) for leaf in index.kept_of[segment.id]}
    whole = msgspec.structs.replace(profile, leaves={key: state for key, state in built.items() if state.stamps})
    micros = to_micros(now)
    truth = truth_of(whole, index, micros)
    holds = {place: part.tree(truth) for place, part in parts.items()}
    decisive = set(_decisive(segment.definition, "", holds))
    reasons = tuple(
        Reason(
            place=place,
            text=as_text(part.definition),
            holds=holds[place],
            decisive=place in decisive,
            actual=_actual(part, whole, moments, micros),
            changes_at=next_change(part, whole, index, micros, held=holds[place]),
            events=_events(part, history, micros),
        )
        for place, part in parts.items()
    )
    answer = segment.tree(truth)
    return Explanation(answer, next_change(segment, whole, index, micros, held=answer), reasons)


def _holds(node: Definition, place: str, holds: Mapping[str, bool]) -> bool:
    if isinstance(node, Not):
        return not _holds(node.child, inside(place, "child"), holds)
    if isinstance(node, And | Or):
        whole = all if isinstance(node, And) else any
        return whole(_holds(child, within, holds) for within, child in _children(node, place))
    return holds[place]


def _decisive(node: Definition, place: str, holds: Mapping[str, bool]) -> Iterator[str]:
    if isinstance(node, Not):
        yield from _decisive(node.child, inside(place, "child"), holds)
    elif isinstance(node, And | Or):
        answer = _holds(node, place, holds)
        for within, child in _children(node, place):
            if _holds(child, within, holds) is answer:
                yield from _decisive(child, within, holds)
    else:
        yield place


def _children(node: And | Or, place: str) -> list[tuple[str, Definition]]:
    return [(f"{inside(place, 'children')}[{position}]", child) for position, child in enumerate(node.children)]


def _actual(part: Segment, profile: Profile, moments: Mapping[bytes, list[Moment]], now: int) -> float | None:
    if len(part.leaves) != 1:
        return None
    leaf: Leaf = next(iter(part.leaves.values()))
    if isinstance(leaf, ScoreLeaf):
        said = profile.scores.get(leaf.model)
        return None if said is None else float(said["s"])
    if not is_kept(leaf):
        return None
    state = profile.leaves.get(leaf.state)
    return leaf.amount(state.stamps if state else (), moments[leaf.state], now)


def _events(part: Segment, history: Sequence[Happening], now: int) -> tuple[str, ...]:
    """Name the newest events that a condition looks at; of a session only those that it counts."""
    found = [each.message_id for each in history if any(_looks_at(leaf, each, now) for leaf in part.kept)]
    return tuple(found[:MOST_EVENTS])


def _looks_at(leaf: KeptLeaf, happening: Happening, now: int) -> bool:
    stamp = to_micros(happening.at)
    if stamp <= now - leaf.horizon or (leaf.events and happening.name not in leaf.events):
        return False
    moment = leaf.moment(happening.name, happening.properties, stamp)
    return moment is not None and (not isinstance(leaf, SessionLeaf) or bool(moment[1]))


def hypothetical(definition: Definition) -> Segment:
    """Compile a definition that nobody has saved."""
    return Segment(UUID(int=0), "", 0, definition)
