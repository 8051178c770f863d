"""Which variables have a part in what."""

from collections.abc import Container, Iterator
from typing import Any

from graphql import ArgumentNode, DirectiveNode, Node, VariableNode, Visitor, visit


def names_within(document: Node, directives: Container[str], arguments: Container[str]) -> tuple[str, ...]:
    """Name the variables used in some directives, or as some arguments of fields."""
    found = _Used(directives, arguments)
    visit(document, found)
    return tuple(sorted(found.names))


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
    return found.any


class _Any(Visitor):
    any = False

    def enter_variable(self, *_: Any) -> None:
        self.any = True
