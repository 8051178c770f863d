"""What surrounds every operation, over whichever transport it comes."""

from collections.abc import Iterator
from contextlib import suppress

from graphql import GraphQLError, NoSchemaIntrospectionCustomRule, get_operation_ast
from strawberry.extensions import MaxTokensLimiter, ParserCache, SchemaExtension
from strawberry.types.execution import StreamExecutionResult

from resolvers.context import Operation, Session
from resolvers.limits import MOST_OBJECTS, MOST_TOKENS, Shape, Weight


class PerOperation(SchemaExtension):
    """Gives each operation a context of its own: Strawberry shares one among all operations of a socket."""

    def on_operation(self) -> Iterator[None]:
        """Put an operation where the session is."""
        session: Session = self.execution_context.context
        self.execution_context.context = Operation(session)
        yield

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:  # noqa: ARG002 - the hook's shape
        """Let the next payload load anew."""
        yield
        self.execution_context.context.forget()


class Tokens(MaxTokensLimiter):
    """Stops reading a document that is too long."""

    def __init__(self) -> None:
        super().__init__(MOST_TOKENS)


class CachedParser(ParserCache):
    """Parses a document once. One that is none is left to Strawberry, whose transports tell syntax errors apart."""

    def on_parse(self) -> Iterator[None]:
        """Take the document from the cache."""
        running = self.execution_context
        with suppress(GraphQLError):
            running.graphql_document = self.cached_parse_document(running.query, **running.parse_options)
        yield


class Limits(SchemaExtension):
    """Refuses what is too large, and introspection where it is not for everyone.

    The rules stay the same objects from one operation to the next, else no cached validation would ever be found.
    """

    def on_operation(self) -> Iterator[None]:
        """Add the rules that depend on the document alone."""
        session: Session = self.execution_context.context.session
        rules = (Shape,) if _may_introspect(session) else (Shape, NoSchemaIntrospectionCustomRule)
        self.execution_context.validation_rules += rules
        yield

    def on_validate(self) -> Iterator[None]:
        """Weigh a valid operation with its variables, which no cache may answer for."""
        running = self.execution_context
        operation = running.graphql_document and get_operation_ast(running.graphql_document, running.operation_name)
        if running.graphql_document and operation and running.pre_execution_errors == []:
            weight = Weight(running.schema._schema, running.graphql_document, running.variables or {})  # noqa: SLF001 - theirs has no public name
            if weight.of(operation) > MOST_OBJECTS:
                problem = f"The operation may return more than {MOST_OBJECTS:,} objects; ask for smaller pages."
                running.pre_execution_errors = [GraphQLError(problem, operation)]
        yield


def _may_introspect(session: Session) -> bool:
    return session.services.development or bool(session.caller and not session.caller.principal.is_end_user)
