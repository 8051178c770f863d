"""How alike two people are, told without knowing either: keyed Bloom filters and their Dice coefficient.

A value becomes the set of its pairs of characters, each pair sets 20 of 1,024 bits, chosen by HMAC-SHA256 under a key
of the workspace: Schnell, Bachteler, Reiher, "Privacy-preserving record linkage using Bloom filters" (2009). Equal
values have equal filters, and like values like ones. A filter is a pseudonym, not anonymous: whoever has the key, or
many filters and knows which names are common, learns something of them. They stay with their person and go with them.
"""

import hmac
import re
import unicodedata
from collections.abc import Container, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

BITS: Final = 1_024
_HASHES: Final = 20
_WEIGHTS: Final = {"name": 0.5, "birth_date": 0.3, "postcode": 0.2}
_LONGEST: Final = 200
_NAMES: Final = (("name",), ("firstName", "lastName"), ("first_name", "last_name"))
_BIRTH_DATES: Final = ("birthday", "birth_date", "birthDate", "date_of_birth")
_POSTCODES: Final = ("postcode", "postal_code", "postalCode", "zip")
_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T.*)?")


class Likeness(msgspec.Struct, frozen=True):
    """How alike two people are, 0 to 1: in all, and by each field that both have."""

    score: float
    fields: dict[str, float]


def values_of(traits: Mapping[str, Any], allowed: Container[str]) -> dict[str, str]:
    """Give the normal forms of name, birth date and postcode, of the traits that may be used."""
    usable = {name: value for name, value in traits.items() if name in allowed}
    found = {
        "name": next((name for names in _NAMES if (name := _name(usable, names))), ""),
        "birth_date": next((date for name in _BIRTH_DATES if (date := _date(usable.get(name)))), ""),
        "postcode": next((code for name in _POSTCODES if (code := _code(usable.get(name)))), ""),
    }
    address = usable.get("address")
    if not found["postcode"] and isinstance(address, dict):
        found["postcode"] = next((code for name in _POSTCODES if (code := _code(address.get(name)))), "")
    return {field: value for field, value in found.items() if value}


def fields_told_by(traits: Iterable[str]) -> frozenset[str]:
    """Name the fields, of name, birth date and postcode, that some traits say something about."""
    inputs = {
        "name": {name for names in _NAMES for name in names},
        "birth_date": {*_BIRTH_DATES},
        "postcode": {*_POSTCODES, "address"},
    }
    given = set(traits)
    return frozenset(field for field, names in inputs.items() if not names.isdisjoint(given))


def filters_of(values: Mapping[str, str], key: bytes) -> dict[str, bytes]:
    """Encode each value as a filter of 128 bytes. `key` is the workspace's own for this use."""
    return {field: _filter(field, _grams(field, value), key) for field, value in values.items()}


def compare(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> Likeness | None:
    """Compare two people by their filters; None where they do not both have a name and one field more."""
    return weigh({field: dice(one[field], other[field]) for field in one.keys() & other.keys()})


def weigh(fields: Mapping[str, float]) -> Likeness | None:
    """Weigh how alike the fields are; None without a name and one field more."""
    if "name" not in fields or len(fields) == 1:
        return None
    total = sum(_WEIGHTS[field] for field in fields)
    score = sum(_WEIGHTS[field] * likeness for field, likeness in fields.items()) / total
    return Likeness(round(score, 4), {field: round(fields[field], 4) for field in sorted(fields)})


def dice(one: bytes, other: bytes) -> float:
    """Give the Dice coefficient of two filters: twice the bits they share, by the bits that they have."""
    left, right = int.from_bytes(one, "big"), int.from_bytes(other, "big")
    either = left.bit_count() + right.bit_count()
    return 2 * (left & right).bit_count() / either if either else 0.0


def _filter(field: str, grams: Iterable[str], key: bytes) -> bytes:
    bits = 0
    for gram in grams:
        digest = hmac.digest(key, f"{field}\0{gram}".encode(), sha256)
        first, step = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big") | 1
        for number in range(_HASHES):
            bits |= 1 << (first + number * step) % BITS
    return bits.to_bytes(BITS // 8, "big")


def _grams(field: str, value: str) -> set[str]:
    if field != "name":
        return {f"{place}{letter}" for place, letter in enumerate(value)}
    return {f"_{word}_"[place : place + 2] for word in value.split() for place in range(len(word) + 1)}


def _name(traits: Mapping[str, Any], names: Iterable[str]) -> str:
    given = [traits.get(name) for name in names]
    if not all(isinstance(each, str) for each in given):
        return ""
    plain = unicodedata.normalize("NFKD", " ".join(map(str, given))[:_LONGEST].casefold())
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    # Which of the names comes first differs from one form to the next.
    return " ".join(sorted(re.findall(r"\w+", letters)))


def _date(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return f"{datetime.fromtimestamp(value, UTC):%Y%m%d}"
        except (OverflowError, OSError, ValueError):
            return ""
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    return "".join(match.groups()) if match else ""


def _code(value: object) -> str:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    code = re.sub(r"[\W_]", "", text[:_LONGEST]).upper()
    return code if 3 <= len(code) <= 10 else ""  # noqa: PLR2004 - the shortest and the longest in use
