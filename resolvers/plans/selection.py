"""What is asked of objects of one type, answered for all of them at once."""

import asyncio
from collections.abc import AsyncGenerator
from functools import cache
from typing import TYPE_CHECKING, Any

from graphql import FieldNode, GraphQLError, GraphQLField, GraphQLObjectType, located_error
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.values import get_argument_values

from resolvers.plans.failures import FAILED
from resolvers.plans.leaf import Leaf
from resolvers.plans.names import uses_variables
from resolvers.plans.rows import Place, Rows
from resolvers.plans.run import Run
from resolvers.plans.source import Source, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolvers.plans.shape import Shape


class Field:
    """One field of a selection: where its values come from and what becomes of them.

    `nullable` tells of the field's type and of each list inside of it whether null may stand for it.
    """

    __slots__ = (
        "definition", "details", "given", "is_async", "key", "name", "nodes", "nullable", "ordinal", "parent", "shape",
        "source", "strawberry",
    )  # fmt: skip

    def __init__(
        self,
        ordinal: int,
        key: str,
        parent: GraphQLObjectType,
        details: list[FieldDetails],
        definition: GraphQLField,
        nullable: tuple[bool, ...],
        source: Source,
        shape: "Leaf | Shape",
    ) -> None:
        self.ordinal = ordinal
        self.key = key
        self.parent = parent
        self.details = details
        self.nodes: list[FieldNode] = [each.node for each in details]
        self.name = self.nodes[0].name.value
        self.definition = definition
        self.strawberry: Any = definition.extensions.get("strawberry-definition")
        self.given = _given(definition, self.nodes[0])
        self.nullable = nullable
        self.source = source
        self.shape = shape
        self.is_async = source.is_async or shape.is_async

    def answer(self, run: Run, rows: Rows) -> list[Any]:
        """Answer a field that nothing has to be waited for."""
        values = self.source.find(run, self, rows.objects)
        if isinstance(self.shape, Leaf):
            return self.shape.quick(values) or self.shape.complete(run, Place(rows, self), values)
        below, fold = self.shape.unfold(run, Place(rows, self), values)
        return fold([selection.answer(run, each) for selection, each in below])

    async def wait(self, run: Run, rows: Rows) -> list[Any]:
        """Answer a field that may have to be waited for."""
        if self.source.is_async:
            values = await self.source.fetch(run, self, rows.objects)
        else:
            values = self.source.find(run, self, rows.objects)
        if isinstance(self.shape, Leaf):
            return self.shape.quick(values) or self.shape.complete(run, Place(rows, self), values)
        below, fold = self.shape.unfold(run, Place(rows, self), values)
        if not self.shape.is_async:
            return fold([selection.answer(run, each) for selection, each in below])
        if len(below) == 1:
            [(selection, each)] = below
            return fold([await selection.wait(run, each)])
        return fold(await asyncio.gather(*(selection.wait(run, each) for selection, each in below)))

    def follow(self, run: Run) -> AsyncGenerator[Any, None]:
        """Start a subscription's root field. Raises `GraphQLError`."""
        if not isinstance(self.source, Stream):
            raise NotImplementedError
        try:
            return self.source.start(run, self)
        except Exception as error:
            raise located_error(error, self.nodes, [self.key]) from error

    def is_null(self) -> TypeError:
        """Tell that a value is null that may not be."""
        return TypeError(f"Cannot return null for non-nullable field {self.parent}.{self.name}.")


def _given(definition: GraphQLField, node: FieldNode) -> dict[str, Any] | None:
    """Give a field's arguments if no variable has a part in them, and nothing is wrong with them."""
    if not definition.args or any(uses_variables(each) for each in node.arguments or ()):
        return None
    try:
        return get_argument_values(definition, node)
    except GraphQLError:
        return None


class Selection:
    """The fields asked of one type."""

    __slots__ = ("_build", "_strict", "_waiting", "fields", "is_async", "people")

    def __init__(self, fields: list[Field]) -> None:
        self.fields = fields
        self.people: tuple[Field, ...] = ()
        """Of a query's root: its fields, if the answer stays true until the stamps of the people in it change."""
        self.is_async = any(field.is_async for field in fields)
        self._waiting = [number for number, field in enumerate(fields) if field.is_async]
        self._strict = [number for number, field in enumerate(fields) if not field.nullable[0]]
        self._build = _builder(len(fields))(*(field.key for field in fields))

    def answer(self, run: Run, rows: Rows) -> list[Any]:
        """Answer all objects, if nothing has to be waited for."""
        if not rows.objects:
            return []
        run.objects += len(rows.objects)
        return self._put_together(run, rows, [field.answer(run, rows) for field in self.fields])

    async def wait(self, run: Run, rows: Rows) -> list[Any]:
        """Answer all objects. Fields that are waited for are waited for at the same time."""
        if not rows.objects:
            return []
        if not self.is_async:
            return self.answer(run, rows)
        run.objects += len(rows.objects)
        columns: list[Any] = [None if field.is_async else field.answer(run, rows) for field in self.fields]
        if len(self._waiting) == 1:
            [number] = self._waiting
            columns[number] = await self.fields[number].wait(run, rows)
        else:
            found = await asyncio.gather(*(self.fields[number].wait(run, rows) for number in self._waiting))
            for number, column in zip(self._waiting, found, strict=True):
                columns[number] = column
        return self._put_together(run, rows, columns)

    def _put_together(self, run: Run, rows: Rows, columns: list[list[Any]]) -> list[Any]:
        if not columns:
            return [{} for _ in rows.objects]
        answers = self._build(*columns)
        if run.failures:
            strict = [columns[number] for number in self._strict]
            for row in range(len(answers)):
                if any(column[row] is FAILED for column in strict):
                    answers[row] = FAILED
        return answers


@cache
def _builder(width: int) -> "Callable[..., Callable[..., list[Any]]]":
    """Make the function that makes rows of `width` columns; its text depends on that number alone.

    A dict display in a comprehension makes rows three times faster than `dict(zip(…))`.
    """
    if not width:
        return lambda: list
    numbers = range(width)
    values = "".join(f"v{number}, " for number in numbers)
    columns = ", ".join(f"c{number}" for number in numbers)
    keys = ", ".join(f"k{number}" for number in numbers)
    row = ", ".join(f"k{number}: v{number}" for number in numbers)
    text = f"lambda {keys}: lambda {columns}: [{{{row}}} for {values}in zip({columns}, strict=True)]"
    made: Callable[..., Callable[..., list[Any]]] = eval(text)  # noqa: S307 - nothing in it comes from outside
    return made
