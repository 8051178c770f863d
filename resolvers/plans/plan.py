"""One operation of a document, ready to be answered again and again."""

from collections.abc import AsyncGenerator, Mapping
from functools import cached_property
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
)
from graphql.execution.values import VariableValues, get_variable_values
from strawberry.schema import Schema

from resolvers.limits import LENGTHS, Weight
from resolvers.plans.compiler import Compiler, NotCovered
from resolvers.plans.failures import FAILED
from resolvers.plans.names import names_within, variables_below
from resolvers.plans.rows import Rows
from resolvers.plans.run import Frame, Run
from resolvers.plans.selection import Selection

_MOST_VARIANTS: Final = 16
_MOST_COERCION_ERRORS: Final = 50
"""As graphql-core has it."""

_BYTES_OF_A_LETTER: Final = 80
_BYTES_OF_A_FIELD: Final = 2_000
"""Measured with tracemalloc: what a document and a compiled field take."""


_NO_VARIABLES: Final = VariableValues({}, {})


class Plan:
    """An operation of a valid document. It has a variant for each set of conditions in `@skip` and `@include`."""

    def __init__(
        self, schema: Schema, core: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
    ) -> None:
        fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
        self._frame = Frame(schema, core, operation, fragments)
        self._document = document
        self._conditions = names_within(document, {"skip", "include"}, ())
        self._length = len(document.loc.source.body) if document.loc else 0
        self._fields = 0
        self._variants: dict[tuple[Any, ...], Selection | None] = {}

    @property
    def size(self) -> int:
        """About how many bytes it takes by now."""
        return self._length * _BYTES_OF_A_LETTER + self._fields * _BYTES_OF_A_FIELD

    def coerce(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """Read the variables; what is wrong with them comes as a list."""
        definitions = self._frame.operation.variable_definitions
        if not definitions:
            return _NO_VARIABLES
        return get_variable_values(self._frame.core, definitions, dict(given), max_errors=_MOST_COERCION_ERRORS)

    def weigh(self, given: Mapping[str, Any]) -> int:
        """Count the objects that may be returned at most."""
        return self._fixed_weight if self._fixed_weight is not None else self._weigh(given)

    async def run(
        self, variant: Selection, context: Any, variables: VariableValues, root: Any = None
    ) -> ExecutionResult:
        """Answer the operation. `context` is what resolvers find as `info.context`. Errors are as graphql-core's.

        A subscription is answered for one item of what `follow` gives, which is its `root`.
        """
        answered, _ = await self.count(variant, context, variables, root)
        return answered

    async def count(
        self, variant: Selection, context: Any, variables: VariableValues, root: Any = None
    ) -> tuple[ExecutionResult, int]:
        """Answer like `run`, and tell how many objects the answer holds."""
        run = Run(self._frame, context, variables)
        [data] = await variant.wait(run, Rows([root], None))
        return ExecutionResult(None if data is FAILED else data, run.failures.settle() or None), run.objects - 1

    def people(self, variant: Selection, context: Any, variables: VariableValues) -> list[dict[str, Any]]:
        """Give the arguments of the root fields, if each is about one person and the answer lasts; else nothing."""
        run = Run(self._frame, context, variables)
        try:
            return [run.arguments(field.asked) for field in variant.people]
        except (GraphQLError, ValueError):
            return []

    def follow(self, variant: Selection, context: Any, variables: VariableValues) -> AsyncGenerator[Any, None]:
        """Start a subscription. Raises what its permissions refuse with, and `GraphQLError` for its arguments."""
        [field] = variant.fields
        return field.follow(Run(self._frame, context, variables))

    @property
    def streams(self) -> bool:
        """Whether it is a subscription."""
        return self._frame.operation.operation is OperationType.SUBSCRIPTION

    @cached_property
    def varying(self) -> frozenset[str]:
        """The variables that an answer depends on; those that only say what a subscription follows are left out."""
        return frozenset(variables_below(self._document, self._frame.operation if self.streams else None))

    def variant(self, variables: VariableValues) -> Selection | None:
        """Give what answers the operation under these conditions; None for what is left to Strawberry."""
        conditions = tuple(variables.coerced.get(name) for name in self._conditions)
        if conditions not in self._variants:
            if len(self._variants) >= _MOST_VARIANTS:
                self._variants.pop(next(iter(self._variants)))
            compiled = self._variants[conditions] = self._compile(variables)
            self._fields = sum(_count(each) for each in self._variants.values() if each)
            return compiled
        return self._variants[conditions]

    def _compile(self, variables: VariableValues) -> Selection | None:
        frame = self._frame
        try:
            return Compiler(frame.core, frame.operation, frame.fragments, variables).compile()
        except (NotCovered, GraphQLError):
            return None

    @cached_property
    def _fixed_weight(self) -> int | None:
        return None if names_within(self._document, (), LENGTHS) else self._weigh({})

    def _weigh(self, given: Mapping[str, Any]) -> int:
        return Weight(self._frame.core, self._document, given).of(self._frame.operation)


def _count(selection: Selection) -> int:
    return sum(1 + sum(map(_count, field.below)) for field in selection.fields)
