"""Declared traits, compiled: what an event does to each, in whatever order events arrive.

A trait's state stands in its own statement, `{"v": value, "t": microseconds, "m": message id, "d": version,
"s": state}`, where time and message are those of the newest event that counted, or of the statement that does; of such
a one `"o"` is the source.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from domain import trait
from domain.clock import to_micros
from domain.errors import Refused
from domain.event import CallType, ProtectedEvent
from profiles.segments.comparison import MISSING, Test, compile_comparison

State = Any
Statement = dict[str, Any]

_MILLION: Final = 1_000_000
_DISTINCT: Final = 256
_HASHES: Final = 2**52
_FAVOURITES: Final = 200
_SESSIONS: Final = 16
_LONGEST_TEXT: Final = 500


class Trait:
    """One declared trait. `take` gives its state after an event, or None where the event does not count."""

    def __init__(self, name: str, version: int, definition: trait.Definition) -> None:
        self.name = name
        self.version = version
        self.definition = definition
        self.parts = tuple(f"{name}.{part}" for part in trait.SHOWN.get(_kind(definition), ()))
        self._take = _TAKERS[type(definition)]
        self._tests: tuple[tuple[str, Test], ...] = tuple(
            (each.property, compile_comparison(each.op, each.value)) for each in getattr(definition, "where", ())
        )

    def fold(self, traits: dict[str, Statement], event: ProtectedEvent) -> list[str]:
        """Take an event into a profile's traits; return the names of those that changed."""
        known = traits.get(self.name)
        mine = known if known is not None and known.get("d") == self.version else None
        taken = self._take(self, mine["s"] if mine else None, event)
        if taken is None:
            return []
        state, value = taken
        mark: Statement = {"t": _stamp(event), "m": event.message_id}
        if mine is not None and (mine["t"], mine["m"]) > (mark["t"], mark["m"]):
            mark = {"t": mine["t"], "m": mine["m"]}
        if isinstance(self.definition, trait.Stated):
            mark = {"t": state[1], "m": state[2], "o": state[4]}
        traits[self.name] = {"v": value, **mark, "d": self.version, "s": state}
        for part in self.parts:
            traits[part] = {"v": value[part.rpartition(".")[2]], **mark, "d": self.version}
        return [self.name, *self.parts]

    def matches(self, properties: Mapping[str, Any]) -> bool:
        """Tell whether an event's properties satisfy every `where`."""
        return all(test(properties.get(name, MISSING)) for name, test in self._tests)


class Declared:
    """The declared traits that apply to a profile, by what they listen to."""

    def __init__(self, traits: Iterable[Trait] = ()) -> None:
        self.traits = tuple(traits)
        self.owned = frozenset(name for each in self.traits for name in (each.name, *each.parts))
        """Names that a plain statement may not set."""
        self._sessions = [each for each in self.traits if isinstance(each.definition, trait.Session)]
        self._by_event: dict[str, list[Trait]] = defaultdict(list)
        for each in self.traits:
            for name in _listens(each.definition):
                self._by_event[name].append(each)

    def fold(self, traits: dict[str, Statement], event: ProtectedEvent) -> list[str]:
        """Take an event into a profile's traits; return the names of those that changed."""
        if not self.traits:
            return []
        name = event.name if event.type is CallType.TRACK else event.type.value
        return [
            changed for each in (*self._by_event.get(name, ()), *self._sessions) for changed in each.fold(traits, event)
        ]

    def unowned(self, traits: dict[str, Statement]) -> dict[str, Statement]:
        """Leave of plain statements those whose names are not declared."""
        if self.owned.isdisjoint(traits):
            return traits
        return {name: each for name, each in traits.items() if name not in self.owned}

    def without(self, traits: Mapping[str, Statement]) -> dict[str, Statement]:
        """Leave of a profile's traits those that nobody has declared."""
        return {name: each for name, each in traits.items() if "d" not in each}


def read_definition(raw: object) -> trait.Definition:
    """Check a definition as it is written. Raises `Refused`, with the place that is wrong."""
    try:
        definition: trait.Definition = msgspec.convert(raw, trait.Definition)
        for each in getattr(definition, "where", ()):
            compile_comparison(each.op, each.value)
    except (msgspec.ValidationError, TypeError) as error:
        raise Refused(str(error)) from error
    return definition


def _kind(definition: trait.Definition) -> str:
    return str(msgspec.to_builtins(definition)["kind"])


def _listens(definition: trait.Definition) -> tuple[str, ...]:
    match definition:
        case trait.Session():
            return ()
        case trait.Stated():
            return (CallType.IDENTIFY.value,)
        case trait.Ratio():
            return tuple({definition.event, definition.over})
        case _:
            return (definition.event,)


def _stamp(event: ProtectedEvent) -> int:
    return to_micros(min(event.at, event.received_at))


def _counts(each: Trait, event: ProtectedEvent) -> bool:
    return each.matches(event.properties)


def _stated(each: Trait, state: State, event: ProtectedEvent) -> tuple[State, Any] | None:
    definition: Any = each.definition
    if definition.trait not in event.traits:
        return None
    source = (event.context.get("library") or {}).get("name")
    sources = definition.sources
    rank = -sources.index(source) if source in sources else -len(sources)
    return _kept(
        definition.keep, state, [rank, _stamp(event), event.message_id, event.traits[definition.trait], source]
    )


def _pick(each: Trait, state: State, event: ProtectedEvent) -> tuple[State, Any] | None:
    definition: Any = each.definition
    if definition.property not in event.properties or not _counts(each, event):
        return None
    return _kept(
        definition.keep, state, [0, _stamp(event), event.message_id, event.properties[definition.property], None]
    )


def _kept(keep: str, state: State, new: State) -> tuple[State, Any]:
    """Keep the statement of the strongest source, of equal ones the newest or the oldest."""

    def order(each: State) -> tuple[int, int, str]:
        sign = 1 if keep == "last" else -1
        return (each[0], sign * each[1], each[2])

    kept = new if state is None or order(new) > order(state) else state
    return kept, kept[3]


def _count(each: Trait, state: State, event: ProtectedEvent) -> tuple[State, Any] | None:
    if not _counts(each, event):
        return None
    many = (state or 0) + 1
    return many, many


def _amount(each: Trait, state: State, event: ProtectedEvent) -> tuple[State, Any] | None:
    definition: Any = each.definition
    number = _number(event.properties.get(definition.property))
    if number is None or not _counts(each, event):
        return None
    if definition.fold == "sum":
        total = (state or 0) + round(number * _MILLION)
        return total, _plain(total)
    fold: Callable[[Any, Any], Any] = min if definition.fold == "min" else max
    kept = number if state is None else fold(state, number)
    return kept, kept


def _distinct(each: Trait, state: State, event: ProtectedEvent) -> tuple[State, Any] | None:
    definition: Any = each.definition
    text = _text(event.properties.get(definition.property))
    if text is None or not _counts(each, event):
        return None
    digest = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") % _HASHES
    # The least hashes are a fair sample of all values: how close together they lie tells how many there are.
    least = sorted({*(state or ()), digest})[:_DISTINCT]
    many = len(least) if len(least) < _DISTINCT else round((_DISTINCT - 1) * _HASHES / (least[-1] + 1))
    return least, many


def _favourite(each: Trait, state: State, event: ProtectedEvent) -> tuple[State, Any] | None:
    definition: Any = each.definition
    text = _text(event.properties.get(definition.property))
    if text is None or not _counts(each, event):
        return None
    counts: dict[str, int] = dict(state or {})
    counts[text] = counts.get(text, 0) + 1
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    kept = {name: counts[name] for name in ranked[:_FAVOURITES]}
    return kept, msgspec.json.decode(ranked[0])


def _ratio(each: Trait, state: State, event: ProtectedEvent) -> tuple[State, Any] | None:
    definition: Any = each.definition
    name = event.name if event.type is CallType.TRACK else event.type.value
    above, below = state or (0, 0)
    above += name == definition.event and _counts(each, event)
    below += name == definition.over
    return [above, below], above / below if below else None


def _rfm(each: Trait, state: State, event: ProtectedEvent) -> tuple[State, Any] | None:
    if not _counts(each, event):
        return None
    definition: Any = each.definition
    last, many, total = state or (0, 0, 0)
    spent = _number(event.properties.get(definition.property)) or 0
    state = [max(last, _stamp(event)), many + 1, total + round(spent * _MILLION)]
    return state, {"last_at": state[0] // _MILLION, "frequency": state[1], "monetary": _plain(state[2])}


def _session(_each: Trait, state: State, event: ProtectedEvent) -> tuple[State, Any] | None:
    given = event.context.get("sessionId") or event.context.get("session_id")
    if given is None:
        return None
    name, at = str(given), _stamp(event)
    sessions: dict[str, list[int]] = dict(state or {})
    first, last, depth = sessions.get(name, (at, at, 0))
    sessions[name] = [min(first, at), max(last, at), depth + 1]
    newest = sorted(sessions, key=lambda each: (sessions[each][1], each), reverse=True)[:_SESSIONS]
    first, last, depth = sessions[newest[0]]
    value = {"id": newest[0], "length": (last - first) / _MILLION, "depth": depth}
    return {each: sessions[each] for each in newest}, value


def _number(value: object) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _plain(millionths: int) -> int | float:
    whole, rest = divmod(millionths, _MILLION)
    return millionths / _MILLION if rest else whole


def _text(value: object) -> str | None:
    """Write a value that can be told apart from others; nothing, lists and objects cannot."""
    if value is None or isinstance(value, list | dict):
        return None
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST_TEXT else None


_Taker = Callable[[Trait, State, ProtectedEvent], tuple[State, Any] | None]
_TAKERS: Final[dict[type[Any], _Taker]] = {
    trait.Stated: _stated,
    trait.Pick: _pick,
    trait.Count: _count,
    trait.Amount: _amount,
    trait.Distinct: _distinct,
    trait.Favourite: _favourite,
    trait.Ratio: _ratio,
    trait.Rfm: _rfm,
    trait.Session: _session,
}
