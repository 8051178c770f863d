"""The schema, and what runs around its operations."""

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec
import strawberry
from graphql import GraphQLError, GraphQLNamedType, located_error
from graphql.execution.values import VariableValues
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from domain.errors import Refused, TagwayError
from domain.spending import CostExceeded
from resolvers.context import Operation, Session
from resolvers.errors import CodedErrors, coded
from resolvers.event import Event
from resolvers.extensions import CachedParser, CachedValidation, PerOperation, Tokens, read_document
from resolvers.following import Following
from resolvers.keeping import Fate, KeptAnswers
from resolvers.limits import MOST_OBJECTS
from resolvers.live.groups import Groups, Payload
from resolvers.mutation import Mutation
from resolvers.plans.plan import Plan
from resolvers.plans.plans import Plans
from resolvers.plans.selection import Selection
from resolvers.profile import wanted
from resolvers.query import Query
from resolvers.repeats import IDEMPOTENCY_KEY, Repeatable, run_once
from resolvers.subscription import Subscription


class Schema(strawberry.Schema):
    """Strawberry's schema, which answers queries and subscriptions by plans and leaves everything else to Strawberry.

    Without its log of every failure, which would quote what callers sent. A `Session` is the context value.
    """

    def __init__(self, *, tell: Callable[[Fate], object] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._plans = Plans(self, self._schema, partial(read_document, self._schema))
        self._groups = Groups()
        self.kept = KeptAnswers(tell=tell)
        """Answers about people that may be given again; `tell` is told what becomes of each question for one."""

    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Leave logging to `CodedErrors`."""

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Run an operation. Nothing is run twice: whether there is a plan is known before.

        A mutation with an idempotency key in `operation_extensions` is run once for all requests with that key; raises
        `Refused` and `StoreUnavailable` as `run_once` does.
        """
        if query and (ready := self.prepare(query, operation_name, variable_values)):
            return await ready.run(context_value)
        run = partial(
            super().execute,
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            allowed_operation_types,
            operation_extensions,
        )
        asked = Repeatable(query or "", operation_name, variable_values)
        key = (operation_extensions or {}).get(IDEMPOTENCY_KEY)
        if key is None or not _may_mutate(allowed_operation_types) or not asked.is_mutation:
            return await run()
        answers = context_value.services.answers
        return await run_once(answers, context_value, key, asked, run) if answers else await run()

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> StreamResult:
        """Run an operation over a transport that streams; a query gives one result."""
        ready = self._ready(query, operation_name, variable_values) if query else None
        if ready:
            return ready.stream(context_value)
        if (operation_extensions or {}).get(IDEMPOTENCY_KEY) and Repeatable(query or "", operation_name).is_mutation:
            return self._one(query, variable_values, context_value, operation_name, operation_extensions)
        return await super().stream(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            operation_extensions,
            allowed_operation_types,
        )

    async def _one(
        self,
        query: str | None,
        variables: dict[str, Any] | None,
        session: Session,
        operation_name: str | None,
        extensions: dict[str, Any] | None,
    ) -> StreamResult:
        """Answer a mutation that is run once as a stream of one."""
        try:
            yield await self.execute(
                query, variables, session, operation_name=operation_name, operation_extensions=extensions
            )
        except TagwayError as error:
            yield PreExecutionError(data=None, errors=[coded(located_error(error), session.request_id)])

    def warm(self, documents: Iterable[str]) -> None:
        """Make the plans of documents before anyone asks for them."""
        for each in documents:
            self.prepare(each, None, None)

    def prepare(
        self, query: str, operation_name: str | None, variables: dict[str, Any] | None
    ) -> "Ready | Unreadable | None":
        """Find the plan for a query with these variables; None for what Strawberry has to run, or to refuse."""
        ready = self._ready(query, operation_name, variables)
        return None if isinstance(ready, Following) else ready

    def _ready(
        self, query: str, operation_name: str | None, variables: dict[str, Any] | None
    ) -> "Ready | Following | Unreadable | None":
        plan = self._plans.find(query, operation_name)
        if isinstance(plan, GraphQLError):
            return Unreadable(plan)
        if plan is None:
            return None
        weight = plan.weigh(variables or {})
        if weight > MOST_OBJECTS or isinstance(coerced := plan.coerce(variables or {}), list):
            return None
        before = plan.size
        variant = plan.variant(coerced)
        if variant is None:
            return None
        if plan.size != before:
            self._plans.weigh(query, operation_name)
        if plan.streams:
            return Following(plan, variant, coerced, weight, self._groups)
        return Ready(plan, variant, coerced, weight, self.kept)


class Unreadable:
    """What is no document at all: nobody has to read it a second time."""

    def __init__(self, fault: GraphQLError) -> None:
        self._fault = fault

    async def run(self, session: Session) -> ExecutionResult:
        """Tell what is wrong."""
        return PreExecutionError(data=None, errors=[coded(self._fault, session.request_id)])

    async def stream(self, session: Session) -> StreamResult:
        """Tell what is wrong."""
        yield await self.run(session)


class Ready:
    """A plan with the variables it is to be run with, and what that weighs."""

    def __init__(
        self, plan: Plan, variant: Selection, variables: VariableValues, weight: int, kept: KeptAnswers
    ) -> None:
        self._plan = plan
        self._variant = variant
        self._variables = variables
        self._weight = weight
        self._kept = kept

    async def run(self, session: Session) -> ExecutionResult:
        """Answer the operation."""
        operation = Operation(session)
        try:
            await operation.charge(self._weight)
        except CostExceeded as error:
            return PreExecutionError(data=None, errors=[coded(located_error(error), session.request_id)])
        found, objects = await self._answer(operation)
        operation.settle(objects)
        if not operation.spent:
            return found
        extensions = {"cost": operation.spent.told()}
        if isinstance(found, Payload):
            return found.extended(extensions)
        return ExecutionResult(data=found.data, errors=found.errors, extensions=extensions)

    async def _answer(self, operation: Operation) -> tuple[ExecutionResult, int]:
        if not self._variant.people:
            return await self._make(operation)
        people = self._plan.people(self._variant, operation, self._variables)
        try:
            whom = [wanted(each.get("by"), operation.caller) for each in people]
        except Refused:
            whom = []
        if not whom:
            return await self._make(operation)
        asked = self._plan, msgspec.json.encode(self._variables.coerced, order="deterministic", enc_hook=repr)
        return await self._kept.answer(operation, asked, whom, partial(self._make, operation))

    async def _make(self, operation: Operation) -> tuple[ExecutionResult, int]:
        found, objects = await self._plan.count(self._variant, operation, self._variables)
        errors = [coded(error, operation.session.request_id) for error in found.errors] if found.errors else None
        return ExecutionResult(data=found.data, errors=errors), objects

    async def stream(self, session: Session) -> StreamResult:
        """Answer the operation as a stream of one."""
        yield await self.run(session)


def _may_mutate(allowed: Iterable[OperationType] | None) -> bool:
    return allowed is None or OperationType.MUTATION in allowed


def build_schema(tell: Callable[[Fate], object] | None = None) -> Schema:
    """Make the schema, each type described by its docstring; operations run with a `Session` as context value.

    `tell` is told what becomes of each question whose answer may be kept.
    """
    schema = Schema(
        tell=tell,
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Event],
        # The order matters: each operation's context comes first.
        extensions=[PerOperation, CodedErrors, Tokens, CachedParser, CachedValidation],
        config=StrawberryConfig(disable_field_suggestions=True),
    )
    for each in schema.schema_converter.type_map.values():
        origin = getattr(each.definition, "origin", None)
        if origin and isinstance(each.implementation, GraphQLNamedType) and not each.implementation.description:
            each.implementation.description = inspect.getdoc(origin)
    return schema
