"""Where values stand in an answer that is made a whole level at a time."""

from collections.abc import Callable
from typing import Any

from resolvers.plans.asked import Asked

Locate = Callable[[int], tuple[int, tuple[int, ...]]]
"""Tells of a value's number in its column which row it belongs to, and where in that row's lists it stands."""

Step = str | int


class Rows:
    """Objects of one type that a selection is made of at once, and the place they were found at; the root's is None."""

    __slots__ = ("objects", "place")

    def __init__(self, objects: list[Any], place: "Place | None") -> None:
        self.objects = objects
        self.place = place


class Place:
    """A field of `rows`, at some depth of its lists: its values are a column, of which `locate` finds each.

    Where a value stands is worked out only for what fails.
    """

    __slots__ = ("field", "locate", "rows")

    def __init__(self, rows: Rows, field: Asked, locate: Locate | None = None) -> None:
        self.rows = rows
        self.field = field
        self.locate = locate or _one_each

    def picked(self, numbers: list[int]) -> "Place":
        """Give the place of some of the values."""
        return Place(self.rows, self.field, lambda number: self.locate(numbers[number]))

    def inside(self, lengths: list[int]) -> "Place":
        """Give the place of all items of the values, which are lists of these lengths."""

        def locate(number: int) -> tuple[int, tuple[int, ...]]:
            for outer, length in enumerate(lengths):
                if number < length:
                    row, indices = self.locate(outer)
                    return row, (*indices, number)
                number -= length
            raise IndexError(number)

        return Place(self.rows, self.field, locate)

    def path(self, number: int) -> tuple[Step, ...]:
        """Give the path of a value in the answer."""
        row, indices = self.locate(number)
        above = self.rows.place.path(row) if self.rows.place else ()
        return (*above, self.field.key, *indices)

    def rank(self, number: int) -> tuple[int, ...]:
        """Give what orders values as they stand in the answer."""
        row, indices = self.locate(number)
        above = self.rows.place.rank(row) if self.rows.place else ()
        return (*above, self.field.ordinal, *indices)

    def nulled(self, number: int) -> tuple[Step, ...]:
        """Give the path of what becomes null if this value cannot be had; () is the answer itself."""
        row, indices = self.locate(number)
        for depth in range(len(indices), -1, -1):
            if self.field.nullable[depth]:
                above = self.rows.place.path(row) if self.rows.place else ()
                return (*above, self.field.key, *indices[:depth])
        return self.rows.place.nulled(row) if self.rows.place else ()


def _one_each(number: int) -> tuple[int, tuple[int, ...]]:
    return number, ()
