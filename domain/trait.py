"""Traits that a workspace declares: what is worked out of the things that a person did and that were stated of them."""

from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec

from domain.segment import Where

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z][a-zA-Z0-9_]{0,63}\Z")]
Source = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]

SHOWN: Final = {"rfm": ("last_at", "frequency", "monetary"), "session": ("id", "length", "depth")}
"""Kinds that come to several traits, each named `<name>.<part>`."""


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What the kinds share. `event` is a track's own name, for the other calls their type."""

    event: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    where: tuple[Where, ...] = ()


class Stated(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="stated"):
    """A trait that `identify` calls state, where sources may contradict one another.

    A source is the call's `context.library.name`. Those listed count more than the others, the first the most; of equal
    ones the newest statement wins, or the oldest.
    """

    trait: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    sources: Annotated[tuple[Source, ...], msgspec.Meta(max_length=20)] = ()
    keep: Literal["last", "first"] = "last"


class Pick(_Kept, frozen=True, tag="pick"):
    """A property as the last or the first such event had it."""

    property: str
    keep: Literal["last", "first"] = "last"


class Count(_Kept, frozen=True, tag="count"):
    """How many such events there were."""


class Amount(_Kept, frozen=True, tag="amount"):
    """The sum, the least or the greatest of a number that such events have; a sum is exact to a millionth."""

    property: str
    fold: Literal["sum", "min", "max"]


class Distinct(_Kept, frozen=True, tag="distinct"):
    """How many different values a property had: exact up to 256, beyond that within about a sixteenth."""

    property: str


class Favourite(_Kept, frozen=True, tag="most_frequent"):
    """The value that a property had most often, among the 200 most frequent; of equal ones the least."""

    property: str


class Ratio(_Kept, frozen=True, tag="ratio"):
    """Such events for each event of the name `over`; there is none before the first of those."""

    over: str


class Rfm(_Kept, frozen=True, tag="rfm"):
    """Recency, frequency and monetary value of purchases: `<name>.last_at` in seconds, `.frequency`, `.monetary`."""

    property: str


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="session"):
    """The newest session: `<name>.id`, `.length` in seconds, `.depth` in events, by `context.sessionId`."""


Definition = Stated | Pick | Count | Amount | Distinct | Favourite | Ratio | Rfm | Session


class TraitStatus(StrEnum):
    """A version's life."""

    BUILDING = "building"
    """It is being applied to everybody's history; each profile switches as it is reached."""
    LIVE = "live"
