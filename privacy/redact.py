"""What a record that could not be built looks like, without anything that it says of a person."""

from typing import Any, Final

import msgspec

_SHOWN: Final = frozenset({"v", "workspace", "message_id", "type", "name", "at", "received_at", "purposes", "proofs"})
"""Fields of an event that are ours or the plan's. Everything else is shown by its shape."""
_LONGEST: Final = 100
_DEEPEST: Final = 8
_MOST: Final = 200
_FIRST: Final = 3
"""So many items show what a list is of."""


def redact(value: bytes) -> Any:
    """Show the shape of a log record as JSON: names, types and lengths, and only those values that are no person's.

    Names that the tracking plan did not pass never come this far; of what is no JSON only the length is told.
    """
    try:
        record = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"<{len(value)} bytes, not JSON>"
    if not isinstance(record, dict):
        return _shape(record, 0)
    fields = list(record.items())[:_MOST]
    return {name: each if name in _SHOWN and _is_short(each) else _shape(each, 1) for name, each in fields}


def _is_short(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str | int) and _is_short(each) for each in value)
    return not isinstance(value, dict) and len(str(value)) <= _LONGEST


def _shape(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        if depth >= _DEEPEST:
            return f"<object of {len(value)}>"
        return {name: _shape(each, depth + 1) for name, each in list(value.items())[:_MOST]}
    if isinstance(value, list):
        more = [f"<{len(value) - _FIRST} more>"] if len(value) > _FIRST else []
        return [_shape(each, depth + 1) for each in value[:_FIRST]] + more
    if isinstance(value, str):
        return f"<text of {len(value)}>"
    if isinstance(value, bool) or value is None:
        return value
    return "<number>"
