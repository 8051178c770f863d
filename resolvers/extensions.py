"""What surrounds every operation, over whichever transport it comes."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    get_operation_ast,
    specified_rules,
)
from strawberry.extensions import MaxTokensLimiter, ParserCache, SchemaExtension, ValidationCache
from strawberry.types.execution import StreamExecutionResult

from resolvers.context import Operation, Session
from resolvers.limits import MOST_OBJECTS, MOST_TOKENS, Weight, faults_of_shape


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


def read_document(schema: GraphQLSchema, text: str) -> DocumentNode | None:
    """Parse and validate a document, remembered as the extensions do; None for one that is not valid.

    Raises `GraphQLError` for what is no document.
    """
    document: DocumentNode = CachedParser().cached_parse_document(text, max_tokens=MOST_TOKENS)
    if faults_of_shape(document):
        return None
    faults = CachedValidation().cached_validate_document(schema, document, tuple(specified_rules))
    return None if faults else document


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


class CachedValidation(ValidationCache):
    """Validates a document once, and one of a hostile shape not at all; then weighs it with its variables.

    The rules stay the same objects from one operation to the next, else no cached validation would ever be found.
    """

    _weight = 0

    def on_operation(self) -> Iterator[None]:
        """Refuse introspection where it is not for everyone."""
        if not _may_introspect(self.execution_context.context.session):
            self.execution_context.validation_rules += (NoSchemaIntrospectionCustomRule,)
        yield

    def on_validate(self) -> Iterator[None]:
        """Find what is wrong with the document, or with how much it asks for."""
        running = self.execution_context
        if running.graphql_document:
            running.pre_execution_errors = self._faults(running.graphql_document)
        yield

    def _faults(self, document: DocumentNode) -> list[GraphQLError]:
        running = self.execution_context
        schema = running.schema._schema  # noqa: SLF001 - it has no public name
        if running._provided_operation_name is None and _operations(document) > 1:  # noqa: SLF001 - the public one guesses
            return [GraphQLError("`operationName` must say which of the operations is to run.")]
        faults = faults_of_shape(document) or self.cached_validate_document(schema, document, running.validation_rules)
        operation = get_operation_ast(document, running.operation_name)
        if operation and not faults:
            self._weight = Weight(schema, document, running.variables or {}).of(operation)
            if self._weight > MOST_OBJECTS:
                problem = f"The operation may return more than {MOST_OBJECTS:,} objects; ask for smaller pages."
                return [GraphQLError(problem, operation)]
        return list(faults)

    async def on_execute(self) -> AsyncIterator[None]:
        """Charge for what is about to run."""
        await self.execution_context.context.charge(self._weight)
        yield

    def get_results(self) -> dict[str, Any]:
        """Tell what was charged."""
        operation = self.execution_context.context
        spent = operation.spent if isinstance(operation, Operation) else None
        return {"cost": spent.told()} if spent else {}


def _operations(document: DocumentNode) -> int:
    return sum(isinstance(each, OperationDefinitionNode) for each in document.definitions)


def _may_introspect(session: Session) -> bool:
    return session.services.development or bool(session.caller and not session.caller.principal.is_end_user)
