"""The plans of the documents that were asked lately: parsed, validated and compiled once."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, OperationType
from strawberry.schema import Schema

from resolvers.plans.plan import Plan

MOST_BYTES: Final = 64 * 1024 * 1024

Read = Callable[[str], DocumentNode | None]
"""Parses and validates a document; None for one that is not valid."""


class Plans:
    """Keeps plans by document and operation, as many as `most_bytes` hold, the longest unused dropped first."""

    def __init__(self, schema: Schema, core: GraphQLSchema, read: Read, most_bytes: int = MOST_BYTES) -> None:
        self._schema = schema
        self._core = core
        self._read = read
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, str | None], Plan | GraphQLError | None] = OrderedDict()
        self._sizes: dict[tuple[str, str | None], int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """Count the documents that are remembered."""
        return len(self._kept)

    def find(self, text: str, operation_name: str | None) -> Plan | GraphQLError | None:
        """Find the plan of an operation, or make it; None where there can be none, the fault of what is no document."""
        key = text, operation_name
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        plan = self._make(text, operation_name)
        self._kept[key] = plan
        self.weigh(text, operation_name)
        return plan

    def weigh(self, text: str, operation_name: str | None) -> None:
        """Count anew what a plan takes, once it has been compiled, and drop others if that is too much."""
        key = text, operation_name
        plan = self._kept.get(key)
        size = plan.size if isinstance(plan, Plan) else len(text) + 1_000
        self._bytes += size - self._sizes.get(key, 0)
        self._sizes[key] = size
        while self._bytes > self._most_bytes and self._kept:
            dropped, _ = self._kept.popitem(last=False)
            self._bytes -= self._sizes.pop(dropped)

    def _make(self, text: str, operation_name: str | None) -> Plan | GraphQLError | None:
        try:
            document = self._read(text)
        except GraphQLError as error:
            return error
        operation = _operation(document, operation_name) if document else None
        if document is None or operation is None or operation.operation is OperationType.MUTATION:
            return None
        return Plan(self._schema, self._core, document, operation)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if name is None:
        return operations[0] if len(operations) == 1 else None
    return next((each for each in operations if each.name and each.name.value == name), None)
