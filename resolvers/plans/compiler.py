"""Turns one operation of a validated document into what answers it."""

from collections.abc import Mapping
from inspect import isasyncgenfunction
from typing import Any, Final

from graphql import (
    FragmentDefinitionNode,
    GraphQLAbstractType,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SchemaMetaFieldDef,
    TypeMetaFieldDef,
    TypeNameMetaFieldDef,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues
from strawberry.types.field import StrawberryField

from resolvers.fields import LASTING, MANY
from resolvers.permissions import is_of_caller
from resolvers.plans.asked import Asked
from resolvers.plans.leaf import Leaf
from resolvers.plans.selection import Field, Selection
from resolvers.plans.shape import Leaves, Lists, Objects, OneOf, Shape
from resolvers.plans.source import Attribute, Constant, Many, Method, Source, Stream, Whole

_MOST_FIELDS: Final = 2_000
_META: Final = (SchemaMetaFieldDef, TypeMetaFieldDef)


class NotCovered(Exception):
    """No plan can be made: the operation is left to Strawberry."""


class Compiler:
    """Makes the selection of one operation, for variables of which only those in `@skip` and `@include` count."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: VariableValues,
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._fragments = {name: FragmentDetails(each) for name, each in fragments.items()}
        self._variables = variables
        self._count = 0

    def compile(self) -> Selection:
        """Make the selection of the root. Raises `NotCovered`, and `GraphQLError` for a condition without a value."""
        root = self._schema.get_root_type(self._operation.operation)
        if root is None:
            raise NotCovered
        collected = collect_fields(self._schema, self._fragments, self._variables, root, self._operation)
        selection = self._selection(root, collected.grouped_field_set)
        if self._operation.operation is OperationType.SUBSCRIPTION and not _streams(selection):
            raise NotCovered
        if self._operation.operation is OperationType.QUERY:
            selection.people = _people(selection)
        return selection

    def _selection(self, parent: GraphQLObjectType, grouped: Mapping[str, list[FieldDetails]]) -> Selection:
        self._count += len(grouped)
        if self._count > _MOST_FIELDS:
            raise NotCovered
        return Selection(
            [self._field(number, key, parent, details) for number, (key, details) in enumerate(grouped.items())]
        )

    def _field(self, ordinal: int, key: str, parent: GraphQLObjectType, details: list[FieldDetails]) -> Field:
        definition = self._schema.get_field(parent, details[0].node.name.value)
        if definition is None or definition in _META:
            raise NotCovered
        source = Constant(parent.name) if definition is TypeNameMetaFieldDef else _source(definition)
        asked = Asked(ordinal, key, parent, details, definition, _nullable(definition.type))
        shape, below = self._shape(definition.type, details)
        return Field(asked, source, shape.leaf if isinstance(shape, Leaves) else shape, below)

    def _shape(self, type_: GraphQLOutputType, details: list[FieldDetails]) -> tuple[Shape, list[Selection]]:
        """Give what becomes of a field's values, and what is asked of the objects in them."""
        nullable = not is_non_null_type(type_)
        if is_non_null_type(type_):
            type_ = type_.of_type
        if is_list_type(type_):
            item, below = self._shape(type_.of_type, details)
            return Lists(item, nullable=nullable), below
        if is_leaf_type(type_):
            leaf: GraphQLLeafType = type_
            return Leaves(Leaf(leaf, nullable=nullable)), []
        if is_abstract_type(type_):
            abstract: GraphQLAbstractType = type_
            possible = self._schema.get_possible_types(abstract)
            return OneOf(abstract, possible, nullable=nullable), [self._below(each, details) for each in possible]
        if isinstance(type_, GraphQLObjectType):
            return Objects(type_, nullable=nullable), [self._below(type_, details)]
        raise NotCovered

    def _below(self, type_: GraphQLObjectType, details: list[FieldDetails]) -> Selection:
        collected = collect_subfields(self._schema, self._fragments, self._variables, self._operation, type_, details)
        return self._selection(type_, collected.grouped_field_set)


def _source(definition: GraphQLField) -> Source:
    field: StrawberryField | None = definition.extensions.get("strawberry-definition")
    if field is None or definition.resolve is None:
        raise NotCovered
    if field.is_basic_field:
        return Attribute(field.python_name)
    resolver = field.base_resolver
    if resolver is None or not all(map(is_of_caller, field.extensions)):
        return Whole()
    function: Any = resolver.wrapped_func
    if isasyncgenfunction(function):
        return Stream(field)
    if not callable(function):
        raise NotCovered
    many = field.metadata.get(MANY)
    return Many(many) if many else Method(field)


def _streams(selection: Selection) -> bool:
    return len(selection.fields) == 1 and isinstance(selection.fields[0].source, Stream)


def _people(root: Selection) -> tuple[Field, ...]:
    """List the root fields, if each is about one person and all that is asked of them lasts; else nothing."""
    asked = [field for field in root.fields if not isinstance(field.source, Constant)]
    return tuple(asked) if asked and all(map(_lasts, asked)) else ()


def _lasts(field: Field) -> bool:
    if not isinstance(field.source, Constant | Attribute) and not field.asked.strawberry.metadata.get(LASTING):
        return False
    return all(_lasts(each) for selection in field.below for each in selection.fields)


def _nullable(type_: GraphQLOutputType) -> tuple[bool, ...]:
    """Tell of a type and of each list inside of it whether null may stand for it."""
    nullable = not is_non_null_type(type_)
    if is_non_null_type(type_):
        type_ = type_.of_type
    return (nullable, *(_nullable(type_.of_type) if is_list_type(type_) else ()))
