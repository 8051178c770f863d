"""How large an operation may be, decided before it runs and in time that grows only with its text.

Strawberry ships limits of depth and aliases, but they visit a fragment once per use: a short document whose fragments
each spread the next one twice keeps them busy forever. These visit each fragment once.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
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
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

MOST_LETTERS: Final = 16_384
MOST_TOKENS: Final = 1_000
MOST_DEFINITIONS: Final = 50
"""Operations and fragments of a document, and variables of an operation."""

MOST_LEVELS: Final = 12
MOST_ALIASES: Final = 30
MOST_REPEATS: Final = 50
MOST_OBJECTS: Final = 50_000

_ASSUMED_LENGTH: Final = 10
"""Of lists that cannot be cut short by an argument."""

_DEFAULT_PAGE: Final = 20

LENGTHS: Final = ("first", "ids", "count")
"""Arguments that say how long a list is at most."""


@lru_cache(maxsize=128)
def faults_of_shape(document: DocumentNode) -> tuple[GraphQLError, ...]:
    """Tell whether a document is nested too deep, renames too much or says the same too often.

    To be asked before any validation: the rule of the specification that compares fields of one name compares each
    with every other. Introspection is neither deep nor renamed.
    """
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    variables = max((len(each.variable_definitions or ()) for each in operations), default=0)
    if max(len(document.definitions), variables) > MOST_DEFINITIONS:
        return (GraphQLError(f"At most {MOST_DEFINITIONS} fragments and as many variables are allowed."),)
    shape = _Shape(document)
    return tuple(fault for operation in operations for fault in shape.faults(operation))


class _Shape:
    def __init__(self, document: DocumentNode) -> None:
        self._fragments = _fragments(document)
        self._measured: dict[str, tuple[int, int]] = {}
        self._repeats = 0

    def faults(self, operation: OperationDefinitionNode) -> Iterator[GraphQLError]:
        levels, aliases = self._measure(operation.selection_set, Counter())
        if levels > MOST_LEVELS:
            yield GraphQLError(f"At most {MOST_LEVELS} levels are allowed.", operation)
        if aliases > MOST_ALIASES:
            yield GraphQLError(f"At most {MOST_ALIASES} aliases are allowed.", operation)
        if self._repeats > MOST_REPEATS:
            yield GraphQLError(f"The same field may be asked for at most {MOST_REPEATS} times in one place.", operation)

    def _measure(self, selections: SelectionSetNode, names: Counter[str]) -> tuple[int, int]:
        """Return levels and aliases. `names` counts the fields of one place, inline fragments included."""
        levels = aliases = 0
        for selection in selections.selections:
            above = below = more = 0
            match selection:
                case FieldNode():
                    names[(selection.alias or selection.name).value] += 1
                    if not selection.name.value.startswith("__"):
                        above = 1
                        aliases += selection.alias is not None
                        below, more = self._inside(selection)
                case InlineFragmentNode():
                    below, more = self._measure(selection.selection_set, names)
                case FragmentSpreadNode():
                    below, more = self._fragment(selection.name.value)
            levels, aliases = max(levels, above + below), aliases + more
        self._repeats = max(self._repeats, *names.values(), 0)
        return levels, aliases

    def _inside(self, field: FieldNode) -> tuple[int, int]:
        return self._measure(field.selection_set, Counter()) if field.selection_set else (0, 0)

    def _fragment(self, name: str) -> tuple[int, int]:
        if name not in self._measured:
            self._measured[name] = (0, 0)  # what a fragment finds of itself; validation refuses circles
            if name in self._fragments:
                self._measured[name] = self._measure(self._fragments[name].selection_set, Counter())
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
        for name in LENGTHS:
            if name in arguments:
                return self._number(arguments[name])
        if parent.name.endswith("Connection"):
            return 1  # its page was counted where it was asked for
        if listed:
            return _ASSUMED_LENGTH
        return _DEFAULT_PAGE if self._is_connection(parent, field) else 1

    def _is_connection(self, parent: GraphQLNamedType, field: FieldNode) -> bool:
        return isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) and not {"first", "count"}.isdisjoint(
            parent.fields[field.name.value].args
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
