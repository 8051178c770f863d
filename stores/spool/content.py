"""What a file of the spool was found to hold, and what of it cannot be read."""

from collections.abc import Iterable
from typing import NamedTuple


class Parcel(NamedTuple):
    """A sealed request, and where in the file it lies."""

    place: int
    """How many there were before it: bound into it."""
    sealed: bytes
    start: int
    end: int


class Damage(NamedTuple):
    """A stretch of a file that cannot be read."""

    start: int
    end: int
    lost: int
    """How many requests it held: at the end of a file at least so many, for there nothing tells."""


class Content(NamedTuple):
    """What a file holds, as far as it can be read."""

    wrapped_key: bytes | None
    parcels: list[Parcel]
    damage: list[Damage]
    begun: float | None = None
    """When it was begun, in seconds since 1970; None where it does not say so."""

    @property
    def entries(self) -> int:
        """How many requests it holds, those included that are lost."""
        return len(self.parcels) + lost(self.damage)


def lost(damage: Iterable[Damage]) -> int:
    """Count the requests that are lost."""
    return sum(each.lost for each in damage)
