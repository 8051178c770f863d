"""From a row of a file to an identify event: which column is what, and of which type."""

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec

from domain.errors import Refused
from privacy.plan import Field, Plan

_IDS: Final = {
    "user_id": "userId",
    "userId": "userId",
    "customer_id": "userId",
    "anonymous_id": "anonymousId",
    "anonymousId": "anonymousId",
    "timestamp": "timestamp",
    "updated_at": "timestamp",
}
_USUAL: Final = {
    "birth_date": "birthday",
    "date_of_birth": "birthday",
    "postcode": "address.postcode",
    "postal_code": "address.postcode",
    "zip": "address.postcode",
    "street": "address.street",
    "city": "address.city",
}
"""Usual names of columns that the plan may know as another trait."""
_CONSENT: Final = "consent"
_EXTERNAL: Final = "external"
_YES: Final = frozenset({"true", "yes", "y", "1", "granted"})
_NO: Final = frozenset({"false", "no", "n", "0", "denied", "withdrawn"})
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


class InvalidRow(Exception):
    """A row cannot be taken; the text names the field at fault, never a value."""


class Columns:
    """Makes identify events of rows, under one plan, as statements of one source.

    A column is what `named` says that it is, else what its own name says: `user_id`, `anonymous_id`, `timestamp`,
    `external.<type>`, `consent.<category>`, or a trait, where a point leads into an object. An empty name leaves the
    column out. Raises `Refused` for a name that is none.
    """

    def __init__(self, plan: Plan, source: str, named: Mapping[str, str]) -> None:
        self._plan = plan
        self._source = source
        self._named = named
        for name in named.values():
            if name and not all(part.strip() for part in name.split(".")):
                raise Refused("a column is named as in --column 'E-mail=email' or --column 'Town=address.city'")

    def event(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Make the event that a row stands for, still without a message id. Raises `InvalidRow`."""
        event: dict[str, Any] = {"type": "identify"}
        traits: dict[str, Any] = {}
        consent: dict[str, bool] = {}
        external: list[dict[str, str]] = []
        for column, value in row.items():
            name = self._named.get(column, column)
            if not name or value is None:
                continue
            place, _, rest = name.partition(".")
            if name in _IDS:
                event[_IDS[name]] = value
            elif place == _CONSENT:
                consent |= _consent(name, value)
            elif place == _EXTERNAL and rest:
                external.append({"type": rest, "id": _text(name, value)})
            else:
                path = self._path(name)
                _put(traits, path, self._typed(path, value))
        context: dict[str, Any] = {"library": {"name": self._source}}
        if consent:
            context["consent"] = {"categoryPreferences": consent}
        if external:
            context["externalIds"] = external
        return {**event, "traits": traits, "context": context}

    def _path(self, name: str) -> tuple[str, ...]:
        name = name.removeprefix("traits.")
        if name.partition(".")[0] not in self._plan.traits:
            name = _USUAL.get(name, name)
        return tuple(name.split("."))

    def _typed(self, path: tuple[str, ...], value: Any) -> Any:
        """Read a text as what the plan wants where it wants no text: CSV knows nothing else."""
        field = _field(self._plan.traits, path)
        if field is None or not isinstance(value, str) or {"string", "any"} & set(field.types):
            return value
        return _read(".".join(("traits", *path)), value.strip(), field)


def message_id(event: Mapping[str, Any], standing: object, key: bytes) -> str:
    """Name the event of a row, so that a second run of the same file is known again.

    `standing` is what the run declares beside the row. Under a key: a plain digest would tell who is in a file.
    """
    return "import-" + hmac.digest(key, msgspec.json.encode([event, standing], order="sorted"), sha256).hex()[:40]


def _consent(name: str, value: Any) -> dict[str, bool]:
    """Read a word on one category, or an object of several."""
    category = name.partition(".")[2]
    if not category and isinstance(value, dict):
        found = [_consent(f"{name}.{each}", said) for each, said in value.items()]
        return {category: said for each in found for category, said in each.items()}
    plain = str(value).strip().casefold()
    if not category or plain not in _YES | _NO:
        raise InvalidRow(f"{name}: must be yes or no to one category, as in consent.analytics")
    return {category: plain in _YES}


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidRow(f"{name}: must be a text or a whole number")
    return str(value).strip()


def _put(traits: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *around, last = path
    for name in around:
        inner = traits.setdefault(name, {})
        if not isinstance(inner, dict):
            raise InvalidRow(f"traits.{name}: is given as a whole and in parts")
        traits = inner
    if isinstance(traits.get(last), dict):
        raise InvalidRow(f"traits.{'.'.join(path)}: is given as a whole and in parts")
    traits[last] = value


def _field(fields: Mapping[str, Field], path: tuple[str, ...]) -> Field | None:
    field = fields.get(path[0])
    return _field(field.fields, path[1:]) if field and path[1:] else field


def _read(path: str, text: str, field: Field) -> Any:
    if "boolean" in field.types and text.casefold() in _YES | _NO:
        return text.casefold() in _YES
    try:
        if _NUMBER.fullmatch(text) or {"object", "array"} & set(field.types):
            return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        pass
    raise InvalidRow(f"{path}: must be {' or '.join(field.types)}")
