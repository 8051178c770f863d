"""Reading one field of a definition, or saying in which place it is wrong."""

from typing import Any, Final, get_args

import msgspec

from domain.errors import Refused
from domain.segment import Comparison, TraitOperator, Where
from profiles.segments.duration import DAY, parse_duration

MAX_WINDOW_DAYS: Final = 400
MAX_N: Final = 1_000
MAX_WHERE: Final = 10
MAX_TEXT: Final = 200
MAX_LIST: Final = 100
MAX_NUMBER: Final = 1e12

COMPARISONS: Final = get_args(Comparison)
OPERATORS: Final = get_args(TraitOperator)


def wrong(place: str, problem: str) -> Refused:
    """Make the refusal of what stands in a place, an empty one meaning the whole."""
    return Refused(f"{place or 'definition'}: {problem}", code="invalid_definition")


def inside(place: str, field: str) -> str:
    """Name the place of a field."""
    return f"{place}.{field}" if place else field


def object_(raw: Any, place: str) -> dict[str, Any]:
    """Read what must be an object."""
    if not isinstance(raw, dict):
        raise wrong(place, "must be an object")
    return raw


def only(raw: dict[str, Any], place: str, *fields: str) -> None:
    """Refuse fields that are not known."""
    for field in raw:
        if field not in fields:
            raise wrong(inside(place, str(field)[:MAX_TEXT]), "is not known here")


def text(raw: dict[str, Any], place: str, field: str) -> str:
    """Read a name."""
    value = raw.get(field)
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT or "\0" in value:
        raise wrong(inside(place, field), f"must be a text of 1 to {MAX_TEXT} characters")
    return value


def list_(raw: dict[str, Any], place: str, field: str, limit: int) -> list[Any]:
    """Read a list."""
    value = raw.get(field)
    if not isinstance(value, list) or len(value) > limit:
        raise wrong(inside(place, field), f"must be a list of at most {limit}")
    return value


def operator(raw: dict[str, Any], place: str, allowed: tuple[str, ...]) -> Any:
    """Read an operator."""
    op = raw.get("op")
    if op not in allowed:
        raise wrong(inside(place, "op"), f"must be one of {', '.join(allowed)}")
    return op


def whole(raw: dict[str, Any], place: str, field: str, least: int = 0, most: int = MAX_N) -> int:
    """Read a whole number."""
    value = raw.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise wrong(inside(place, field), f"must be a whole number from {least} to {most}")
    return value


def number(raw: dict[str, Any], place: str, field: str, least: float = -MAX_NUMBER, most: float = MAX_NUMBER) -> float:
    """Read a number."""
    value = raw.get(field)
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise wrong(inside(place, field), f"must be a number from {least:g} to {most:g}")
    return value


def span(raw: dict[str, Any], place: str, field: str) -> str:
    """Read a duration."""
    value = text(raw, place, field)
    try:
        micros = parse_duration(value)
    except ValueError:
        raise wrong(inside(place, field), f"{_shown(value)} is not a duration") from None
    if micros > MAX_WINDOW_DAYS * DAY:
        raise wrong(inside(place, field), f"may be at most {MAX_WINDOW_DAYS} days")
    return value


def conditions(raw: dict[str, Any], place: str) -> tuple[Where, ...]:
    """Read the conditions on an event's properties."""
    listed = list_(raw, place, "where", MAX_WHERE) if "where" in raw else []
    return tuple(where(each, f"{inside(place, 'where')}[{position}]") for position, each in enumerate(listed))


def where(raw: Any, place: str) -> Where:
    """Read one condition on a property."""
    raw = object_(raw, place)
    only(raw, place, "property", "op", "value")
    op = operator(raw, place, OPERATORS)
    return Where(text(raw, place, "property"), op, value(raw, place, op))


def value(raw: dict[str, Any], place: str, op: TraitOperator) -> Any:
    """Read the right-hand side that an operator asks for."""
    found = raw.get("value", True if op == "exists" else None)
    here = inside(place, "value")
    if op == "exists":
        if not isinstance(found, bool):
            raise wrong(here, "must be true or false")
    elif op == "in":
        if not isinstance(found, list) or len(found) > MAX_LIST or not all(_scalar(item) for item in found):
            raise wrong(here, f"must be a list of at most {MAX_LIST} texts, numbers or booleans")
    elif op in (">", ">=", "<", "<="):
        if isinstance(found, bool) or not isinstance(found, str | int | float) or not _scalar(found):
            raise wrong(here, "must be a number or a text")
    elif "value" not in raw or not _scalar(found):
        raise wrong(here, f"must be a text of at most {MAX_TEXT} characters, a number, a boolean or null")
    return found


def _scalar(found: Any) -> bool:
    if isinstance(found, str):
        return len(found) <= MAX_TEXT and "\0" not in found
    return found is None or isinstance(found, bool | int | float)


def _shown(found: Any) -> str:
    shown = msgspec.json.encode(found).decode()
    return shown if len(shown) <= 60 else f"{shown[:60]}…"  # noqa: PLR2004 - about half a line
