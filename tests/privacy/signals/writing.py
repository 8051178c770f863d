"""Writes strings field by field, also such as no library would."""

from collections.abc import Iterable
from datetime import UTC, datetime

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
MADE = datetime(2026, 11, 2, tzinfo=UTC)


def pack(bits: str) -> str:
    """Write bits as base64url, padded with zeros to whole characters."""
    bits += "0" * (-len(bits) % 6)
    return "".join(ALPHABET[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def number(value: int, width: int) -> str:
    return f"{value:0{width}b}"


def ids(chosen: Iterable[int], width: int) -> str:
    chosen = set(chosen)
    return "".join("1" if place in chosen else "0" for place in range(1, width + 1))


def vendors(*chosen: int, most: int | None = None) -> str:
    """Write a set of vendors as a field of bits."""
    most = max(chosen, default=0) if most is None else most
    return number(most, 16) + "0" + ids(chosen, most)


def ranges(*runs: tuple[int, int], most: int = 65_535, count: int | None = None) -> str:
    """Write a set of vendors as ranges."""
    return number(most, 16) + "1" + entries(*runs, count=count)


def entries(*runs: tuple[int, int], count: int | None = None) -> str:
    return number(len(runs) if count is None else count, 12) + "".join(
        "0" + number(first, 16) if first == last else "1" + number(first, 16) + number(last, 16) for first, last in runs
    )


def restrictions(*each: tuple[int, int, str]) -> str:
    return number(len(each), 12) + "".join(
        number(purpose, 6) + number(kind, 2) + vendors_ for purpose, kind, vendors_ in each
    )


def tc_core(
    *,
    version: int = 2,
    made: datetime = MADE,
    policy: int = 5,
    specific: bool = True,
    consents: Iterable[int] = (),
    interests: Iterable[int] = (),
    vendor_consents: str = "",
    vendor_interests: str = "",
    restricted: str = "",
    language: str = "EN",
) -> str:
    """Write the core's bits."""
    moment = number(int(made.timestamp() * 10), 36)
    letters = "".join(number(ord(letter) - ord("A"), 6) for letter in language)
    return (
        number(version, 6) + moment + moment + number(31, 12) + number(7, 12) + number(1, 6) + letters
        + number(321, 12) + number(policy, 6) + str(int(specific)) + "0" + ids((), 12) + ids(consents, 24)
        + ids(interests, 24) + "0" + letters
        + (vendor_consents or vendors()) + (vendor_interests or vendors()) + (restricted or restrictions())
    )  # fmt: skip


def tc_string(*, disclosed: str | None = None, more: Iterable[str] = (), **core: object) -> str:
    """Write a whole string; `disclosed` is a vendor section, `more` are further segments' bits."""
    segments = [tc_core(**core), number(1, 3) + (vendors() if disclosed is None else disclosed), *more]  # type: ignore[arg-type]
    return ".".join(map(pack, segments))


def publisher(consents: Iterable[int] = (), custom: Iterable[int] = (), many: int = 0) -> str:
    """Write the publisher's own segment."""
    return number(3, 3) + ids(consents, 24) + ids((), 24) + number(many, 6) + ids(custom, many) + ids((), many)


def fibonacci(value: int) -> str:
    """Write a number in Fibonacci code."""
    weights = [1, 2]
    while weights[-1] <= value:
        weights.append(weights[-1] + weights[-2])
    bits = ""
    for weight in reversed(weights[:-1]):
        if weight <= value:
            value -= weight
            bits = "1" + bits
        elif bits:
            bits = "0" + bits
    return bits + "1"


def gpp_header(*section_ids: int) -> str:
    """Write a header that lists sections one by one."""
    steps = zip(section_ids, (0, *section_ids), strict=False)
    listed = "".join("0" + fibonacci(section - before) for section, before in steps)
    return pack(number(3, 6) + number(1, 6) + number(len(section_ids), 12) + listed)
