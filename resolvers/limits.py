"""How large an operation may be, decided before it runs and in time that grows only with its text.

Strawberry ships limits of depth and aliases, but they visit a fragment once per use: a short document whose fragments
each spread the next one twice keeps them busy forever. These visit each fragment once.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

MOST_TOKENS: Final = 1_000
MOST_LEVELS: Final = 12
MOST_ALIASES: Final = 30
MOST_OBJECTS: Final = 50_000

_ASSUMED_LENGTH: Final = 10
"""Of lists that cannot be cut short by an argument."""

_DEFAULT_PAGE: Final = 20


class Shape(ValidationRule):
    """Refuses documents that are nested too deep or rename too much. Introspection is not counted."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._fragments = _fragments(context.document)
        self._measured: dict[str, tuple[int, int]] = {}
        for definition in context.document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                levels, aliases = self._measure(definition.selection_set)
                if levels > MOST_LEVELS:
                    self.report_error(GraphQLError(f"At most {MOST_LEVELS} levels are allowed.", definition))
                if aliases > MOST_ALIASES:
                    self.report_error(GraphQLError(f"At most {MOST_ALIASES} aliases are allowed.", definition))

    def _measure(self, selections: SelectionSetNode) -> tuple[int, int]:
        levels = aliases = 0
        for selection in selections.selections:
            below = above = 0
            match selection:
                case FieldNode() if not selection.name.value.startswith("__"):
                    above = 1
                    aliases += selection.alias is not None
                    below, more = self._measure(selection.selection_set) if selection.selection_set else (0, 0)
                case InlineFragmentNode():
                    below, more = self._measure(selection.selection_set)
                case FragmentSpreadNode():
                    below, more = self._fragment(selection.name.value)
                case _:
                    continue
            levels, aliases = max(levels, above + below), aliases + more
        return levels, aliases

    def _fragment(self, name: str) -> tuple[int, int]:
        if name not in self._measured:
            self._measured[name] = (0, 0)  # what a fragment finds of itself; another rule refuses circles
            if name in self._fragments:
                self._measured[name] = self._measure(self._fragments[name].selection_set)
        return self._measured[name]


class Weight:
    """Counts the objects that an operation may return at most."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self._schema = schema
        self._fragments = _fragments(document)
        self._variables = variables
        self._weighed: dict[str, int] = {}

    def of(self, operation: OperationDefinitionNode) -> int:
        """Weigh one valid operation."""
        defaults = {each.variable.name.value: each.default_value for each in operation.variable_definitions or ()}
        self._variables = {**defaults, **self._variables}
        root = self._schema.get_root_type(operation.operation)
        return self._selections(root, operation.selection_set) if root else 0

    def _selections(self, parent: GraphQLNamedType, selections: SelectionSetNode) -> int:
        return min(sum(self._each(parent, selections)), MOST_OBJECTS + 1)

    def _each(self, parent: GraphQLNamedType, selections: SelectionSetNode) -> Iterator[int]:
        for selection in selections.selections:
            match selection:
                case FieldNode() if selection.selection_set and isinstance(
                    parent, GraphQLObjectType | GraphQLInterfaceType
                ):
                    field = parent.fields.get(selection.name.value)
                    if field:
                        inside = self._selections(get_named_type(field.type), selection.selection_set)
                        listed = is_list_type(get_nullable_type(field.type))
                        yield self._times(parent, selection, listed=listed) * (1 + inside)
                case InlineFragmentNode():
                    named = selection.type_condition
                    inner = self._schema.get_type(named.name.value) if named else parent
                    yield self._selections(inner or parent, selection.selection_set)
                case FragmentSpreadNode():
                    yield self._fragment(selection.name.value)

    def _fragment(self, name: str) -> int:
        if name not in self._weighed:
            fragment = self._fragments[name]
            on = self._schema.get_type(fragment.type_condition.name.value)
            self._weighed[name] = self._selections(on, fragment.selection_set) if on else 0
        return self._weighed[name]

    def _times(self, parent: GraphQLNamedType, field: FieldNode, *, listed: bool) -> int:
        arguments = {each.name.value: each.value for each in field.arguments or ()}
        for name in ("first", "ids"):
            if name in arguments:
                return self._number(arguments[name])
        if parent.name.endswith("Connection"):
            return 1  # its page was counted where it was asked for
        if listed:
            return _ASSUMED_LENGTH
        return _DEFAULT_PAGE if self._is_connection(parent, field) else 1

    def _is_connection(self, parent: GraphQLNamedType, field: FieldNode) -> bool:
        return (
            isinstance(parent, GraphQLObjectType | GraphQLInterfaceType)
            and "first" in parent.fields[field.name.value].args
        )

    def _number(self, value: Any) -> int:
        if isinstance(value, VariableNode):
            value = self._variables.get(value.name.value)
        match value:
            case int():
                return max(0, value)
            case list() | tuple():
                return len(value)
            case IntValueNode():
                return max(0, int(value.value))
            case ListValueNode():
                return len(value.values)
        return _DEFAULT_PAGE


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
