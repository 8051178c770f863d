"""One run of a plan: for whom, with which variables, and what failed so far."""

import asyncio
from typing import Any, Final, NamedTuple, cast

from graphql import FragmentDefinitionNode, GraphQLResolveInfo, GraphQLSchema, OperationDefinitionNode
from graphql.execution.values import VariableValues, get_argument_values
from graphql.pyutils import Path, is_awaitable
from graphql.type.definition import GraphQLResolveInfoHelpers
from strawberry.extensions import FieldExtension
from strawberry.permission import PermissionExtension
from strawberry.schema import Schema
from strawberry.types import Info
from strawberry.types.arguments import convert_arguments

from resolvers.plans.asked import Asked, is_plain
from resolvers.plans.failures import Failures

_HELPERS: Final = GraphQLResolveInfoHelpers(gather=lambda values: asyncio.gather(*values), track=lambda _: None)


class Frame(NamedTuple):
    """What all runs of an operation share."""

    schema: Schema
    core: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]


class Run:
    """What a run holds. `context` is what resolvers find as `info.context`."""

    __slots__ = ("_allowed", "_raw", "context", "failures", "frame", "objects", "variables")

    def __init__(self, frame: Frame, context: Any, variables: VariableValues) -> None:
        self.frame = frame
        self.context = context
        self.variables = variables
        self.failures = Failures()
        self.objects = 0
        """How many the answer holds, its root among them."""
        self._raw: dict[int, GraphQLResolveInfo[Any]] = {}
        self._allowed: dict[int, Exception | None] = {}

    def arguments(self, field: Asked) -> dict[str, Any]:
        """Give the arguments of a field as its resolver takes them. Raises what is wrong with them."""
        if not field.definition.args:
            return {}
        if field.fixed is not None:
            return dict(field.fixed)
        schema = self.frame.schema
        found = convert_arguments(
            self.given(field),
            field.strawberry.arguments,
            scalar_registry=schema.schema_converter.scalar_registry,
            config=schema.config,
            info=None,
        )
        if field.given is not None and is_plain(found):
            field.fixed = dict(found)
        return found

    def given(self, field: Asked) -> dict[str, Any]:
        """Give the arguments of a field by their names in the schema. Raises `GraphQLError`."""
        if not field.definition.args:
            return {}
        if field.given is None:
            return get_argument_values(field.definition, field.nodes[0], self.variables, None)
        return field.given

    def refusal(self, field: Asked) -> Exception | None:
        """Ask a field's permissions, which depend on the caller alone, once for all its objects."""
        if not field.strawberry.extensions:
            return None
        number = id(field)
        if number not in self._allowed:
            self._allowed[number] = _refusal(field.strawberry.extensions, self.info(field))
        return self._allowed[number]

    def info(self, field: Asked) -> Info[Any, Any]:
        """Give what a resolver is told of the operation; its path ends at the field, whichever object it is of."""
        return Info(_raw_info=cast("Any", _Told(self, field)), _field=field.strawberry)

    def raw_info(self, field: Asked) -> GraphQLResolveInfo[Any]:
        """Give the same as graphql-core tells it."""
        number = id(field)
        if number not in self._raw:
            self._raw[number] = GraphQLResolveInfo(
                field_name=field.name,
                field_nodes=field.nodes,
                return_type=field.definition.type,
                parent_type=field.parent,
                path=Path(None, field.key, field.parent.name),
                schema=self.frame.core,
                fragments=self.frame.fragments,
                root_value=None,
                operation=self.frame.operation,
                variable_values=self.variables,
                context=self.context,
                is_awaitable=is_awaitable,
                abort_signal=None,
                async_helpers=_HELPERS,
            )
        return self._raw[number]


class _Told:
    """What graphql-core tells resolvers, made only for those that ask for more than the context."""

    __slots__ = ("_field", "_run", "context")

    def __init__(self, run: Run, field: Asked) -> None:
        self.context = run.context
        self._run = run
        self._field = field

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run.raw_info(self._field), name)


def _refusal(extensions: list[FieldExtension], info: Info[Any, Any]) -> Exception | None:
    try:
        for extension in extensions:
            if isinstance(extension, PermissionExtension):
                for permission in extension.permissions:
                    if not permission.has_permission(None, info):
                        permission.on_unauthorized()
    except Exception as error:  # noqa: BLE001 - whatever it is becomes an error of the answer
        return error
    return None
