"""The schema, and what runs around its operations."""

import inspect
from typing import Any

import strawberry
from graphql import GraphQLError, GraphQLNamedType
from strawberry.schema.config import StrawberryConfig

from resolvers.errors import CodedErrors
from resolvers.event import Event
from resolvers.extensions import CachedParser, CachedValidation, PerOperation, Tokens
from resolvers.mutation import Mutation
from resolvers.query import Query
from resolvers.subscription import Subscription


class Schema(strawberry.Schema):
    """Strawberry's schema without its log of every failure, which would quote what callers sent."""

    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Leave logging to `CodedErrors`."""


def build_schema() -> Schema:
    """Make the schema, each type described by its docstring; operations run with a `Session` as context value."""
    schema = Schema(
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
