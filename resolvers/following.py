"""A subscription that a plan answers, once for all who are to be told the same."""

from contextlib import aclosing
from typing import Any

import msgspec
from graphql import GraphQLError, located_error
from graphql.execution.values import VariableValues
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from resolvers.context import Operation, Session
from resolvers.errors import coded
from resolvers.keeping import sight
from resolvers.live.groups import Group, Groups, Payload
from resolvers.plans.plan import Plan
from resolvers.plans.selection import Selection


class Following:
    """A subscription's plan with the variables it is to be run with, and what that weighs."""

    def __init__(self, plan: Plan, variant: Selection, variables: VariableValues, weight: int, groups: Groups) -> None:
        self._plan = plan
        self._variant = variant
        self._variables = variables
        self._weight = weight
        self._groups = groups
        given = {name: value for name, value in variables.coerced.items() if name in plan.varying}
        self._asked = plan, msgspec.json.encode(given, order="deterministic", enc_hook=repr)

    async def stream(self, session: Session) -> StreamResult:
        """Tell one subscriber what happens: the first payload with what it costs them, the rest shared.

        Who they are is asked anew of the session each time, so that one whose scopes change is in another group.
        """
        operation = Operation(session)
        try:
            await operation.charge(self._weight)
            source = self._plan.follow(self._variant, operation, self._variables)
        except Exception as error:  # noqa: BLE001 - whatever it is becomes an error of the answer
            yield PreExecutionError(data=None, errors=[coded(_located(error), session.request_id)])
            return
        group, caller = Group(), None
        try:
            async with aclosing(source):
                async for item in source:
                    if session.caller is not caller:
                        caller = operation.caller
                        group = self._groups.join((*self._asked, sight(caller.principal)))
                    payload = group.made(item.moment) or await self._payload(group, session, item)
                    if operation.spent:
                        payload = payload.extended({"cost": operation.spent.told()})
                        operation.spent = None
                    yield payload
        except Exception as error:  # noqa: BLE001 - as above
            yield ExecutionResult(data=None, errors=[coded(_located(error), session.request_id)])

    async def _payload(self, group: Group, session: Session, item: Any) -> Payload:
        if item.moment is None:
            return await self._answer(session, item)
        return await group.payload(item.moment, lambda: self._answer(session, item))

    async def _answer(self, session: Session, item: Any) -> Payload:
        found = await self._plan.run(self._variant, Operation(session), self._variables, item)
        errors = [coded(error, session.request_id) for error in found.errors or ()]
        return Payload.of(ExecutionResult(data=found.data, errors=errors or None))


def _located(error: Exception) -> GraphQLError:
    return error if isinstance(error, GraphQLError) else located_error(error)
