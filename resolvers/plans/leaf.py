"""Columns of scalars and enums as they are answered."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from math import isfinite
from types import NoneType
from typing import Any, Final

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
)
from graphql.execution import Executor

from resolvers.plans.builder import Form
from resolvers.plans.failures import FAILED
from resolvers.plans.rows import Place
from resolvers.plans.run import Run

Convert = Callable[[list[Any]], list[Any] | None]
"""Turns a whole column of the expected classes into what is answered; None if one of them is out of its range."""

_MOST: Final = 2**31


class Leaf:
    """Completes values of one leaf type: a whole column at once where its values are of the class expected."""

    def __init__(self, type_: GraphQLLeafType, *, nullable: bool) -> None:
        self._type = type_
        self.nullable = nullable
        self._expected, self._convert = _quick(type_)
        self.form = _form(type_)
        """How a value of its own is read; None if only a column can be."""

    def quick(self, values: list[Any]) -> list[Any] | None:
        """Turn a column into what is answered, if all values are of the class expected."""
        return self._convert(values) if set(map(type, values)) <= self._expected else None

    def complete(self, run: Run, place: Place, values: list[Any]) -> list[Any]:
        """Turn a column into what is answered. What fails is noted, and None, or `FAILED` if it may not be null."""
        quick = self.quick(values)
        if quick is not None:
            return quick
        classes = set(map(type, values))
        if self.nullable and classes <= self._expected | {NoneType}:
            converted = self._convert([value for value in values if value is not None])
            if converted is not None:
                present = iter(converted)
                return [None if value is None else next(present) for value in values]
        return [self._one(run, place, number, value) for number, value in enumerate(values)]

    def _one(self, run: Run, place: Place, number: int, value: Any) -> Any:
        fault: Exception | None = None
        if isinstance(value, Exception):
            fault = value
        elif value is not None:
            try:
                return Executor.complete_leaf_value(self._type, value)
            except Exception as error:  # noqa: BLE001 - whatever it is becomes an error of the answer
                fault = error
        elif not self.nullable:
            fault = place.field.is_null()
        if fault:
            run.failures.add(place, number, fault)
        return None if self.nullable else FAILED


def _quick(type_: GraphQLLeafType) -> tuple[frozenset[type], Convert]:
    if isinstance(type_, GraphQLEnumType):
        members = getattr(type_, "wrapped_cls", None)
        return (frozenset({members}), _namer(type_, members)) if members else _NEVER
    if type_ in _SPECIFIED:
        return _SPECIFIED[type_]
    if getattr(type_.extensions.get("strawberry-definition"), "origin", None) is datetime:
        return frozenset({datetime}), _as_text
    return (_JSON_CLASSES, _as_they_are) if type_.name == "JSON" else _NEVER


def _namer(type_: GraphQLEnumType, members: Iterable[Any]) -> Convert:
    names = {member: type_.coerce_output_value(member) for member in members}
    return lambda values: [names[value] for value in values]


def _as_text(values: list[Any]) -> list[Any]:
    return list(map(datetime.isoformat, values))


def _as_they_are(values: list[Any]) -> list[Any]:
    return values


def _whole_numbers(values: list[Any]) -> list[Any] | None:
    return values if not values or (min(values) >= -_MOST and max(values) < _MOST) else None


def _finite(values: list[Any]) -> list[Any] | None:
    return values if all(map(isfinite, values)) else None


def _form(type_: GraphQLLeafType) -> Form | None:
    if isinstance(type_, GraphQLEnumType):
        members = getattr(type_, "wrapped_cls", None)
        names = {member: type_.coerce_output_value(member) for member in members or ()}
        return Form("type({v}) is {t}[0]", "{t}[1][{v}]", (members, names)) if members else None
    if type_ in _FORMS:
        return _FORMS[type_]
    if getattr(type_.extensions.get("strawberry-definition"), "origin", None) is datetime:
        return Form("type({v}) is {t}", "{v}.isoformat()", datetime)
    return Form("type({v}) in {t}", "{v}", _JSON_CLASSES) if type_.name == "JSON" else None


_JSON_CLASSES: Final = frozenset({dict, list, str, int, float, bool})
_NEVER: Final[tuple[frozenset[type], Convert]] = (frozenset(), _as_they_are)
"""Of scalars that are not known here: each value is left to its type."""

_SPECIFIED: Final[Mapping[GraphQLLeafType, tuple[frozenset[type], Convert]]] = {
    GraphQLString: (frozenset({str}), _as_they_are),
    GraphQLID: (frozenset({str}), _as_they_are),
    GraphQLBoolean: (frozenset({bool}), _as_they_are),
    GraphQLInt: (frozenset({int}), _whole_numbers),
    GraphQLFloat: (frozenset({float}), _finite),
}

_FORMS: Final[Mapping[GraphQLLeafType, Form]] = {
    GraphQLString: Form("type({v}) is {t}", "{v}", str),
    GraphQLID: Form("type({v}) is {t}", "{v}", str),
    GraphQLBoolean: Form("type({v}) is {t}", "{v}", bool),
    GraphQLInt: Form("type({v}) is {t} and -2147483648 <= {v} < 2147483648", "{v}", int),
    GraphQLFloat: Form("type({v}) is {t} and {v} - {v} == 0.0", "{v}", float),
}
"""As above, for one value: of floats only what is finite leaves nothing when it is taken from itself."""
