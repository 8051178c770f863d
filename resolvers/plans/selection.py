"""What is asked of objects of one type, answered for all of them at once."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from graphql import located_error

from resolvers.plans.asked import Asked
from resolvers.plans.builder import Column, Fixed, Part, Read, builder
from resolvers.plans.failures import FAILED
from resolvers.plans.leaf import Leaf
from resolvers.plans.rows import Place, Rows
from resolvers.plans.run import Run
from resolvers.plans.shape import Shape
from resolvers.plans.source import Attribute, Constant, Source, Stream


class Field:
    """One field of a selection: where its values come from, what becomes of them, what is asked of objects in them."""

    __slots__ = ("asked", "below", "is_async", "shape", "source", "waits_below")

    def __init__(self, asked: Asked, source: Source, shape: Leaf | Shape, below: "Sequence[Selection]") -> None:
        self.asked = asked
        self.source = source
        self.shape = shape
        self.below = below
        self.waits_below: bool = any(each.is_async for each in below)
        self.is_async: bool = source.is_async or self.waits_below

    def answer(self, run: Run, rows: Rows) -> list[Any]:
        """Answer a field that nothing has to be waited for."""
        values = self.source.find(run, self.asked, rows.objects)
        if isinstance(self.shape, Leaf):
            return self.shape.quick(values) or self.shape.complete(run, Place(rows, self.asked), values)
        found, fold = self.shape.unfold(run, Place(rows, self.asked), values)
        return fold([self.below[number].answer(run, each) for number, each in found])

    async def wait(self, run: Run, rows: Rows) -> list[Any]:
        """Answer a field that may have to be waited for."""
        if self.source.is_async:
            values = await self.source.fetch(run, self.asked, rows.objects)
        else:
            values = self.source.find(run, self.asked, rows.objects)
        if isinstance(self.shape, Leaf):
            return self.shape.quick(values) or self.shape.complete(run, Place(rows, self.asked), values)
        found, fold = self.shape.unfold(run, Place(rows, self.asked), values)
        if not self.waits_below:
            return fold([self.below[number].answer(run, each) for number, each in found])
        if len(found) == 1:
            [(number, each)] = found
            return fold([await self.below[number].wait(run, each)])
        return fold(await asyncio.gather(*(self.below[number].wait(run, each) for number, each in found)))

    def follow(self, run: Run) -> AsyncGenerator[Any, None]:
        """Start a subscription's root field. Raises `GraphQLError`."""
        if not isinstance(self.source, Stream):
            raise NotImplementedError
        try:
            return self.source.start(run, self.asked)
        except Exception as error:
            raise located_error(error, self.asked.nodes, [self.asked.key]) from error


class Selection:
    """The fields asked of one type."""

    __slots__ = ("_answered", "_build", "_strict", "_waiting", "fields", "is_async", "people")

    def __init__(self, fields: list[Field]) -> None:
        self.fields = fields
        self.people: tuple[Field, ...] = ()
        """Of a query's root: its fields, if the answer stays true until the stamps of the people in it change."""
        self.is_async = any(field.is_async for field in fields)
        self._waiting = [number for number, field in enumerate(fields) if field.is_async]
        self._strict = [number for number, field in enumerate(fields) if not field.asked.nullable[0]]
        parts = [_part(field) for field in fields]
        self._build = builder(parts)
        self._answered = [number for number, part in enumerate(parts) if isinstance(part, Column)]

    def answer(self, run: Run, rows: Rows) -> list[Any]:
        """Answer all objects, if nothing has to be waited for."""
        if not rows.objects:
            return []
        run.objects += len(rows.objects)
        return self._put_together(
            run, rows, {number: self.fields[number].answer(run, rows) for number in self._answered}
        )

    async def wait(self, run: Run, rows: Rows) -> list[Any]:
        """Answer all objects. Fields that are waited for are waited for at the same time."""
        if not rows.objects:
            return []
        if not self.is_async:
            return self.answer(run, rows)
        run.objects += len(rows.objects)
        fields = self.fields
        columns = {
            number: [] if fields[number].is_async else fields[number].answer(run, rows) for number in self._answered
        }
        if len(self._waiting) == 1:
            [number] = self._waiting
            columns[number] = await fields[number].wait(run, rows)
        else:
            found = await asyncio.gather(*(fields[number].wait(run, rows) for number in self._waiting))
            columns.update(zip(self._waiting, found, strict=True))
        return self._put_together(run, rows, columns)

    def _put_together(self, run: Run, rows: Rows, columns: dict[int, list[Any]]) -> list[Any]:
        """Make the rows of the columns that were answered, and of what only has to be read."""
        if not run.failures or not self.fields:
            made = self._at_once(rows, columns)
            if len(made) == len(rows.objects):
                return made
        return self._one_by_one(run, rows, columns)

    def _at_once(self, rows: Rows, columns: dict[int, list[Any]]) -> list[Any]:
        """Make the rows where nothing goes wrong with any of them; nothing where something does."""
        try:
            return self._build(rows.objects, *columns.values())
        except Exception:  # noqa: BLE001 - told value by value instead
            return []

    def _one_by_one(self, run: Run, rows: Rows, columns: dict[int, list[Any]]) -> list[Any]:
        """Make the rows with everything that could not be had in them."""
        whole = [
            columns[number] if number in columns else field.answer(run, rows)
            for number, field in enumerate(self.fields)
        ]
        keys = [field.asked.key for field in self.fields]
        answers: list[Any] = [dict(zip(keys, values, strict=True)) for values in zip(*whole, strict=True)]
        if run.failures:
            strict = [whole[number] for number in self._strict]
            for row in range(len(answers)):
                if any(column[row] is FAILED for column in strict):
                    answers[row] = FAILED
        return answers


def _part(field: Field) -> Part:
    """Tell how a field becomes part of the rows."""
    asked, source, shape = field.asked, field.source, field.shape
    if isinstance(source, Constant):
        return Fixed(asked.key, source.value)
    if isinstance(source, Attribute) and isinstance(shape, Leaf) and shape.form:
        return Read(asked.key, source.name, shape.form, nullable=shape.nullable)
    return Column(asked.key)
