"""One field of a document, as it is asked of objects of one type."""

from enum import Enum
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLField, GraphQLObjectType
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.values import get_argument_values

from resolvers.plans.names import uses_variables


class Asked:
    """What a document and the schema say of a field.

    `nullable` tells of the field's type and of each list inside of it whether null may stand for it.
    """

    __slots__ = (
        "definition",
        "details",
        "fixed",
        "given",
        "key",
        "name",
        "nodes",
        "nullable",
        "ordinal",
        "parent",
        "strawberry",
    )

    def __init__(
        self,
        ordinal: int,
        key: str,
        parent: GraphQLObjectType,
        details: list[FieldDetails],
        definition: GraphQLField,
        nullable: tuple[bool, ...],
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
        self.fixed: dict[str, Any] | None = None
        """The arguments as the resolver takes them, once they were read, if they can only ever be the same."""
        self.nullable = nullable

    def is_null(self) -> TypeError:
        """Tell that a value is null that may not be."""
        return TypeError(f"Cannot return null for non-nullable field {self.parent}.{self.name}.")


def is_plain(arguments: dict[str, Any]) -> bool:
    """Tell whether arguments hold nothing that a resolver could change."""
    return all(value is None or isinstance(value, str | int | float | Enum) for value in arguments.values())


def _given(definition: GraphQLField, node: FieldNode) -> dict[str, Any] | None:
    """Give a field's arguments if no variable has a part in them, and nothing is wrong with them."""
    if not definition.args or any(uses_variables(each) for each in node.arguments or ()):
        return None
    try:
        return get_argument_values(definition, node)
    except GraphQLError:
        return None
