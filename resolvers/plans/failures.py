"""What could not be had in one run of a plan, told in the order of the answer."""

from enum import Enum
from typing import Final, NamedTuple

from graphql import GraphQLError, located_error

from resolvers.plans.rows import Place, Step


class Failed(Enum):
    """Stands in a column for a value that may not be null, and could not be had."""

    FAILED = 0


FAILED: Final = Failed.FAILED


class _Failure(NamedTuple):
    place: Place
    number: int
    error: Exception


class Failures:
    """Collects failures."""

    def __init__(self) -> None:
        self._found: list[_Failure] = []

    def __bool__(self) -> bool:
        """Tell whether anything failed."""
        return bool(self._found)

    def add(self, place: Place, number: int, error: Exception) -> None:
        """Note that a value could not be had."""
        self._found.append(_Failure(place, number, error))

    def settle(self) -> list[GraphQLError]:
        """Give the errors in the order of the answer, of what is null already only the first (GraphQL 6.4.4)."""
        nulled: set[tuple[Step, ...]] = set()
        errors = []
        for place, number, error in sorted(self._found, key=lambda failure: failure.place.rank(failure.number)):
            position = place.nulled(number)
            if not any(position[:length] in nulled for length in range(len(position) + 1)):
                nulled.add(position)
                errors.append(located_error(error, place.field.nodes, list(place.path(number))))
        return errors
