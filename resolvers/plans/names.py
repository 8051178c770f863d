"""Which variables have a part in what."""

from collections.abc import Container, Iterator
from typing import Any

from graphql import (
    SKIP,
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    Node,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)


def names_within(document: Node, directives: Container[str], arguments: Container[str]) -> tuple[str, ...]:
    """Name the variables used in some directives, or as some arguments of fields."""
    found = _Used(directives, arguments)
    visit(document, found)
    return tuple(sorted(found.names))


def variables_below(document: DocumentNode, subscription: OperationDefinitionNode | None) -> set[str]:
    """Name the variables that are used; as arguments of a subscription's own field they do not count."""
    found = _Any()
    roots = subscription.selection_set.selections if subscription else ()
    for each in document.definitions:
        if each is not subscription:
            visit(each, found)
    for root in roots:
        parts = (*(root.directives or ()), root.selection_set) if isinstance(root, FieldNode) else (root,)
        for part in filter(None, parts):
            visit(part, found)
    return found.names


class _Used(Visitor):
    def __init__(self, directives: Container[str], arguments: Container[str]) -> None:
        super().__init__()
        self._directives = directives
        self._arguments = arguments
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        if node.name.value in self._directives:
            self.names |= set(_variables(node.arguments))

    def enter_argument(self, node: ArgumentNode, *_: Any) -> None:
        if node.name.value in self._arguments:
            self.names |= set(_variables([node]))


def _variables(arguments: Any) -> Iterator[str]:
    for each in arguments or ():
        if isinstance(each.value, VariableNode):
            yield each.value.name.value


def uses_variables(argument: ArgumentNode) -> bool:
    """Tell whether a variable has a part in an argument, at any depth."""
    found = _Any()
    visit(argument, found)
    return bool(found.names)


class _Any(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable_definition(self, *_: Any) -> Any:
        return SKIP

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)
