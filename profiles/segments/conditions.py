"""Each kind of condition as people write it in JSON: `(object, its place)` → what it says, or `Refused`."""

from collections.abc import Callable
from typing import Any, Final

from domain.segment import (
    Band,
    Count,
    Days,
    Distinct,
    InSegment,
    Leaf,
    Reference,
    Rfm,
    Score,
    Sequence,
    Session,
    Step,
    Sum,
    ThenNot,
    Trait,
    Where,
)
from profiles.segments.duration import parse_duration
from profiles.segments.reading import (
    COMPARISONS,
    MAX_WHERE,
    OPERATORS,
    conditions,
    inside,
    list_,
    number,
    object_,
    only,
    operator,
    span,
    text,
    value,
    where,
    whole,
    wrong,
)

MAX_STEPS: Final = 10
MAX_N_BY: Final = 100
LONGEST_IDLE: Final = parse_duration("24h")


def _count(raw: dict[str, Any], place: str) -> Count:
    only(raw, place, "type", "event", "op", "n", "window", "where", "by")
    counted = Count(
        event=text(raw, place, "event"),
        op=operator(raw, place, COMPARISONS),
        n=whole(raw, place, "n"),
        window=span(raw, place, "window"),
        where=conditions(raw, place),
        by=text(raw, place, "by") if raw.get("by") is not None else None,
    )
    if counted.by is not None:
        if counted.op not in (">", ">="):
            raise wrong(inside(place, "op"), "must be > or >= where events are counted by a property")
        whole(raw, place, "n", least=counted.op == ">=", most=MAX_N_BY)
    return counted


def _sum(raw: dict[str, Any], place: str) -> Sum:
    only(raw, place, "type", "event", "property", "op", "value", "window", "where")
    return Sum(
        event=text(raw, place, "event"),
        property=text(raw, place, "property"),
        op=operator(raw, place, COMPARISONS),
        value=number(raw, place, "value"),
        window=span(raw, place, "window"),
        where=conditions(raw, place),
    )


def _distinct(raw: dict[str, Any], place: str) -> Distinct:
    only(raw, place, "type", "event", "property", "op", "n", "window", "where")
    return Distinct(
        event=text(raw, place, "event"),
        property=text(raw, place, "property"),
        op=operator(raw, place, COMPARISONS),
        n=whole(raw, place, "n"),
        window=span(raw, place, "window"),
        where=conditions(raw, place),
    )


def _then_not(raw: dict[str, Any], place: str) -> ThenNot:
    only(raw, place, "type", "first", "then", "within", "window")
    node = ThenNot(
        first=_step(raw.get("first"), inside(place, "first"), 1),
        then=_step(raw.get("then"), inside(place, "then"), 1),
        within=span(raw, place, "within"),
        window=span(raw, place, "window"),
    )
    if parse_duration(node.window) < 2 * parse_duration(node.within):
        raise wrong(inside(place, "window"), "must be at least twice as long as `within`")
    return node


def _sequence(raw: dict[str, Any], place: str) -> Sequence:
    only(raw, place, "type", "steps", "within", "window")
    steps = list_(raw, place, "steps", MAX_STEPS)
    if len(steps) < 2:  # noqa: PLR2004 - one step is a count
        raise wrong(inside(place, "steps"), "must have at least two steps")
    return Sequence(
        steps=tuple(
            _step(each, f"{inside(place, 'steps')}[{position - 1}]", position) for position, each in enumerate(steps, 1)
        ),
        within=span(raw, place, "within"),
        window=span(raw, place, "window"),
    )


def _step(raw: Any, place: str, position: int) -> Step:
    raw = object_(raw, place)
    only(raw, place, "event", "where")
    listed = list_(raw, place, "where", MAX_WHERE) if "where" in raw else []
    return Step(
        text(raw, place, "event"),
        tuple(_of_step(each, f"{inside(place, 'where')}[{index}]", position) for index, each in enumerate(listed)),
    )


def _of_step(raw: Any, place: str, position: int) -> Where | Reference:
    if not isinstance(raw, dict) or "step" not in raw:
        return where(raw, place)
    only(raw, place, "property", "op", "step", "of")
    if position == 1:
        raise wrong(inside(place, "step"), "there is no earlier step")
    return Reference(
        property=text(raw, place, "property"),
        op=operator(raw, place, ("==", "!=")),
        step=whole(raw, place, "step", least=1, most=position - 1),
        of=text(raw, place, "of"),
    )


def _session(raw: dict[str, Any], place: str) -> Session:
    only(raw, place, "type", "event", "op", "n", "where", "idle")
    op = operator(raw, place, (">=", ">"))
    node = Session(
        event=text(raw, place, "event"),
        op=op,
        n=whole(raw, place, "n", least=op == ">="),
        where=conditions(raw, place),
        idle=span(raw, place, "idle") if "idle" in raw else "30m",
    )
    if parse_duration(node.idle) > LONGEST_IDLE:
        raise wrong(inside(place, "idle"), "may be at most 24 hours")
    return node


def _rfm(raw: dict[str, Any], place: str) -> Rfm:
    only(raw, place, "type", "event", "property", "window", "recency", "frequency", "monetary")
    node = Rfm(
        event=text(raw, place, "event"),
        property=text(raw, place, "property"),
        window=span(raw, place, "window"),
        recency=_days(raw["recency"], inside(place, "recency")) if raw.get("recency") is not None else None,
        frequency=_band(raw, place, "frequency", whole),
        monetary=_band(raw, place, "monetary", number),
    )
    for edge in (node.recency.from_, node.recency.to) if node.recency else ():
        if edge is not None and parse_duration(edge) > parse_duration(node.window):
            raise wrong(inside(place, "recency"), "lies outside the window")
    return node


def _days(raw: Any, place: str) -> Days:
    raw = object_(raw, place)
    only(raw, place, "from", "to")
    from_, to = (span(raw, place, edge) if raw.get(edge) is not None else None for edge in ("from", "to"))
    if from_ and to and parse_duration(from_) >= parse_duration(to):
        raise wrong(place, "must end after it begins")
    return Days(from_, to)


def _band(raw: dict[str, Any], place: str, field: str, read: Callable[..., float]) -> Band | None:
    if raw.get(field) is None:
        return None
    here = inside(place, field)
    band = object_(raw[field], here)
    only(band, here, "from", "to")
    from_, to = (read(band, here, edge) if band.get(edge) is not None else None for edge in ("from", "to"))
    if from_ is not None and to is not None and from_ >= to:
        raise wrong(here, "must end after it begins")
    return Band(from_, to)


def _segment(raw: dict[str, Any], place: str) -> InSegment:
    only(raw, place, "type", "key")
    return InSegment(text(raw, place, "key"))


def _score(raw: dict[str, Any], place: str) -> Score:
    only(raw, place, "type", "model", "op", "score", "confidence")
    return Score(
        model=text(raw, place, "model"),
        op=operator(raw, place, COMPARISONS),
        score=number(raw, place, "score"),
        confidence=number(raw, place, "confidence", 0, 1) if "confidence" in raw else 0.0,
    )


def _trait(raw: dict[str, Any], place: str) -> Trait:
    only(raw, place, "type", "name", "op", "value")
    op = operator(raw, place, OPERATORS)
    return Trait(text(raw, place, "name"), op, value(raw, place, op))


CONDITIONS: Final[dict[str, Callable[[dict[str, Any], str], Leaf]]] = {
    "count": _count,
    "sum": _sum,
    "distinct": _distinct,
    "then_not": _then_not,
    "sequence": _sequence,
    "session": _session,
    "rfm": _rfm,
    "segment": _segment,
    "model": _score,
    "trait": _trait,
}
"""By the `type` that a condition states."""
