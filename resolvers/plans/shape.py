"""Columns of objects and lists: what they hold is answered for all of them at once, then put in place."""

from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from typing import Any, Protocol

from graphql import GraphQLAbstractType, GraphQLError, GraphQLObjectType, default_type_resolver
from graphql.execution.executor import invalid_return_type_error
from graphql.pyutils import is_iterable
from strawberry.types.base import has_object_definition

from resolvers.plans.failures import FAILED
from resolvers.plans.leaf import Leaf
from resolvers.plans.rows import Place, Rows
from resolvers.plans.run import Run

Below = list[tuple[int, Rows]]
"""Objects, and which of the selections below their field is to answer them."""

Fold = Callable[[list[list[Any]]], list[Any]]
"""Takes what each of them was answered, and makes the column."""

_MOST_CLASSES = 64


class Shape(Protocol):
    """How the values of a field become part of the answer."""

    def unfold(self, run: Run, place: Place, values: list[Any]) -> tuple[Below, Fold]:
        """Name what is to be answered of the values, and what to make of it."""
        ...


class Leaves:
    """Scalars and enums inside of lists."""

    def __init__(self, leaf: Leaf) -> None:
        self.leaf = leaf

    def unfold(self, run: Run, place: Place, values: list[Any]) -> tuple[Below, Fold]:
        """Answer the values."""
        completed = self.leaf.complete(run, place, values)
        return [], lambda _: completed


class Objects:
    """Objects of one type, with one selection below."""

    def __init__(self, type_: GraphQLObjectType, *, nullable: bool) -> None:
        self._type = type_
        self._nullable = nullable
        self._known: set[type] = set()

    def unfold(self, run: Run, place: Place, values: list[Any]) -> tuple[Below, Fold]:
        """Answer the objects all at once if they are of classes seen before, else look at each."""
        if set(map(type, values)) <= self._known:
            return [(0, Rows(values, place))], lambda answered: self._passed_on(run, answered[0])
        numbers: list[int] = []
        column: list[Any] = [None if self._nullable else FAILED] * len(values)
        for number, value in enumerate(values):
            if _is_there(run, place, number, value, self._fault, nullable=self._nullable):
                numbers.append(number)
        rows = Rows([values[number] for number in numbers], place.picked(numbers))

        def fold(answered: list[list[Any]]) -> list[Any]:
            for number, each in zip(numbers, self._passed_on(run, answered[0]), strict=True):
                column[number] = each
            return column

        return [(0, rows)], fold

    def _passed_on(self, run: Run, answered: list[Any]) -> list[Any]:
        if self._nullable and run.failures:
            return [None if each is FAILED else each for each in answered]
        return answered

    def _fault(self, run: Run, place: Place, value: Any) -> Exception | None:
        if type(value) in self._known:
            return None
        if self._type.is_type_of and not self._type.is_type_of(value, run.raw_info(place.field)):
            return invalid_return_type_error(self._type, value, place.field.details)
        if len(self._known) < _MOST_CLASSES:
            self._known.add(type(value))
        return None


class OneOf:
    """Objects of an interface or a union: those of each type are answered at once, by a selection of its own."""

    def __init__(self, type_: GraphQLAbstractType, possible: Sequence[GraphQLObjectType], *, nullable: bool) -> None:
        self._type = type_
        self._possible = {each.name: (place, each) for place, each in enumerate(possible)}
        self._nullable = nullable
        self._of_class: dict[type, str] = {}

    def unfold(self, run: Run, place: Place, values: list[Any]) -> tuple[Below, Fold]:
        """Sort the objects by type."""
        numbers: dict[str, list[int]] = {}
        column: list[Any] = [None if self._nullable else FAILED] * len(values)

        def sort(run: Run, place: Place, value: Any) -> Exception | None:
            numbers.setdefault(self._name(run, place, value), []).append(current)
            return None

        for current, value in enumerate(values):
            _is_there(run, place, current, value, sort, nullable=self._nullable)
        below = [
            (self._possible[name][0], Rows([values[number] for number in picked], place.picked(picked)))
            for name, picked in numbers.items()
        ]

        def fold(answered: list[list[Any]]) -> list[Any]:
            for picked, answers in zip(numbers.values(), answered, strict=True):
                for number, each in zip(picked, answers, strict=True):
                    column[number] = None if self._nullable and each is FAILED else each
            return column

        return below, fold

    def _name(self, run: Run, place: Place, value: Any) -> str:
        """Name an object's type. Raises what is wrong with it."""
        class_ = type(value)
        if class_ in self._of_class:
            return self._of_class[class_]
        info = run.raw_info(place.field)
        name = (self._type.resolve_type or default_type_resolver)(value, info, self._type)
        if not isinstance(name, str) or name not in self._possible:
            raise GraphQLError(self._misfit(place, name), place.field.nodes)
        _, type_ = self._possible[name]
        if type_.is_type_of and not type_.is_type_of(value, info):
            raise invalid_return_type_error(type_, value, place.field.details)
        # The classes of generic types say nothing: what they hold decides.
        if has_object_definition(class_) and not class_.__strawberry_definition__.is_graphql_generic:
            self._of_class[class_] = name
        return name

    def _misfit(self, place: Place, name: Any) -> str:
        """Say that an object is of none of the types, in graphql-core's words."""
        if name is not None:
            return f"Runtime Object type '{name}' is not a possible type for '{self._type}'."
        return (
            f"Abstract type '{self._type}' must resolve to an Object type at runtime for field"
            f" '{place.field.parent}.{place.field.name}'. Either the '{self._type}' type should provide a"
            " 'resolve_type' function or each possible type should provide an 'is_type_of' function."
        )


class Lists:
    """Lists of anything."""

    def __init__(self, item: Shape, *, nullable: bool) -> None:
        self._item = item
        self._nullable = nullable

    def unfold(self, run: Run, place: Place, values: list[Any]) -> tuple[Below, Fold]:
        """Answer all items of all lists as one column."""
        if set(map(type, values)) == {list}:
            return self._unfold(run, place, values)
        numbers: list[int] = []
        column: list[Any] = [None if self._nullable else FAILED] * len(values)
        for number, value in enumerate(values):
            if _is_there(run, place, number, value, _not_iterable, nullable=self._nullable):
                numbers.append(number)
        below, fold_lists = self._unfold(run, place.picked(numbers), [list(values[number]) for number in numbers])

        def fold(answered: list[list[Any]]) -> list[Any]:
            for number, each in zip(numbers, fold_lists(answered), strict=True):
                column[number] = each
            return column

        return below, fold

    def _unfold(self, run: Run, place: Place, values: list[list[Any]]) -> tuple[Below, Fold]:
        lengths = list(map(len, values))
        below, fold_items = self._item.unfold(run, place.inside(lengths), list(chain.from_iterable(values)))

        def fold(answered: list[list[Any]]) -> list[Any]:
            items = fold_items(answered)
            ends = list(accumulate(lengths))
            lists: list[Any] = [items[end - length : end] for length, end in zip(lengths, ends, strict=True)]
            if run.failures:
                instead = None if self._nullable else FAILED
                return [instead if any(item is FAILED for item in each) else each for each in lists]
            return lists

        return below, fold


def _is_there(
    run: Run,
    place: Place,
    number: int,
    value: Any,
    fault_of: Callable[[Run, Place, Any], Exception | None],
    *,
    nullable: bool,
) -> bool:
    """Tell whether there is something to answer; note why not, unless it may be null."""
    fault: Exception | None
    try:
        if value is None:
            fault = None if nullable else place.field.is_null()
        else:
            fault = value if isinstance(value, Exception) else fault_of(run, place, value)
            if fault is None:
                return True
    except Exception as error:  # noqa: BLE001 - whatever it is becomes an error of the answer
        fault = error
    if fault is not None:
        run.failures.add(place, number, fault)
    return False


def _not_iterable(_run: Run, place: Place, value: Any) -> Exception | None:
    field = place.field
    if is_iterable(value):
        return None
    return GraphQLError(f"Expected Iterable, but did not find one for field '{field.parent}.{field.name}'.")
