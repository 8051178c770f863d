"""GraphQL over HTTP, server-sent events and sockets, on Starlette."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Any, Final, cast

import msgspec
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import MissingQueryError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.base import BaseRequestProtocol
from strawberry.schema.base import BaseSchema
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET, UnsetType

from console.files import explorer_page
from domain.errors import Refused, TagwayError
from gateway.auth import token_in
from gateway.graphql.answer import CORS, GRAPHQL_RESPONSE, JSON, answer, encode, media_type
from gateway.graphql.callers import Callers
from gateway.graphql.failures import failure, note, status_of, wait_of
from gateway.graphql.operation import Arriving, Posted, find_asked, read_any, read_bounded, read_object, replayed
from gateway.graphql.socket import Socket, SocketHandler, turn_away
from gateway.graphql.welcome import while_welcome
from gateway.pages import page
from gateway.patience import arrived
from gateway.streams import Streams, whose
from resolvers.caller import Caller
from resolvers.context import Services, Session
from resolvers.documents import Documents
from resolvers.live.groups import Payload
from resolvers.repeats import IDEMPOTENCY_KEY
from resolvers.schema import Schema

_STREAMS_AT_MOST: Final = 5_000
_STREAMS_OF_ONE: Final = 500
"""Sockets and streams of one key or visitor."""


class GraphQLApp(GraphQL[Session, None]):
    """Serves the schema as an ASGI app. Every failure is a GraphQL error with `extensions.code`."""

    graphql_transport_ws_handler_class = SocketHandler
    websocket_adapter_class = Socket

    def __init__(
        self,
        schema: BaseSchema,
        services: Services,
        callers: Callers,
        documents: Documents,
        *,
        arriving: Arriving,
        failed: Callable[[str], None] = lambda _code: None,
    ) -> None:
        super().__init__(
            schema,
            graphql_ide="graphiql" if services.development else None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL),
            connection_init_wait_timeout=timedelta(seconds=10),
            allowed_origins=("*",),
        )
        self._services = services
        self._callers = callers
        self.documents = documents
        self.failed = failed
        self._arriving = arriving
        self.streams = Streams(_STREAMS_AT_MOST, _STREAMS_OF_ONE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket."""
        if scope["type"] != "http":
            await self._serve_socket(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=CORS)(scope, receive, send)
            return
        try:
            response = await self._answer(scope, receive)
            await response(scope, receive, send)
        finally:
            if "tagway.held" in scope:
                scope["tagway.held"].close()

    def end_streams(self) -> None:
        """End every subscription, so that answers that stream do not hold up a process that is to stop."""
        self._services.hub.end()

    async def ask(self, caller: Caller, request_id: str, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Run a document of ours for a caller, for routes that speak no GraphQL.

        Raises what the resolvers raised where they say what failed, and `Refused` for any other error.
        """
        session = Session(self._services, request_id, caller)
        result = await self.schema.execute(document, variables, session)
        for error in result.errors or ():
            if isinstance(error.original_error, TagwayError):
                raise error.original_error
            raise Refused(error.message, code=(error.extensions or {}).get("code", "internal"))
        return result.data or {}

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Session:  # noqa: ARG002 - their signature
        """Open a session; that of a socket learns its caller from `connection_init`."""
        if isinstance(request, Request):
            return await self._callers.session(request.scope, Posted(request.scope).token)
        return self._callers.of_socket(request.scope["tagway.place"])

    async def on_ws_connect(self, context: Session) -> UnsetType:
        """Learn from a socket's first message who opened it. Raises `Refused` and `StoreUnavailable`."""
        await self._callers.enter(context, token_in(context.connection_params or {}))
        nothing_to_say: UnsetType = UNSET
        return nothing_to_say

    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        """Show the explorer to browsers only."""
        return (
            request.method == "GET"
            and request.query_params.get("query") is None
            and "text/html" in request.headers.get("accept", "")
        )

    async def render_graphql_ide(self, request: Request) -> Response:  # noqa: ARG002 - their signature
        """Serve our own explorer: theirs comes from a public network."""
        return page(explorer_page())

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """Note which of the two media types the answer shall have."""
        noted = await super().get_sub_response(request)
        noted.headers["content-type"] = media_type(request.headers.get("accept", ""))
        return noted

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """Answer 200 to whatever was executed; else, in the modern media type only, with the failure's status."""
        status = 200
        content_type = sub_response.headers["content-type"]
        if isinstance(response_data, dict) and "data" not in response_data and GRAPHQL_RESPONSE in content_type:
            status = status_of(response_data.get("errors") or [])
        headers = {"content-type": content_type, "cache-control": "no-store", **CORS}
        if isinstance(response_data, dict) and (wait := wait_of(response_data.get("errors") or [])):
            headers["retry-after"] = str(wait)
        return Response(encode(response_data), status, headers)

    async def create_streaming_response(
        self,
        request: Request | WebSocket,  # noqa: ARG002 - their signature
        stream: Callable[[], AsyncIterator[str]],
        sub_response: Response,  # noqa: ARG002 - as above; its media type would stand beside the stream's own
        headers: Mapping[str, str],
    ) -> Response:
        """Answer with a stream, which any page may read and no cache may keep."""
        return StreamingResponse(stream(), headers={**headers, **CORS, "Cache-Control": "no-store, no-transform"})

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """Leave `data` out where nothing was executed, and what is encoded already as it is."""
        note(request.scope, result)
        if isinstance(result, Payload):
            return cast("GraphQLHTTPResponse", msgspec.Raw(result.text))
        response = await super().process_result(request, result)
        if isinstance(result, PreExecutionError):
            response.pop("data", None)
        return response

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData | list[GraphQLRequestData]:
        """Read the request. Raises `Refused` for another content type and for what is not an object."""
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        if request.method == "POST" and media_type != JSON:
            raise Refused(f"Send the request as {JSON}.", code="unsupported_media_type")
        data = await super().parse_http_body(request)
        if isinstance(data, GraphQLRequestData) and not isinstance(data.operation_name, str | None):
            raise Refused("`operationName` must be a string or null.")
        return data

    def parse_json(self, data: str | bytes) -> Any:
        """Decode an object or a list. Raises `Refused`."""
        return read_object(data)

    def decode_json(self, data: str | bytes) -> object:
        """Decode JSON. Raises `json.JSONDecodeError`, which is what the transports expect."""
        try:
            return read_any(data)
        except Refused as error:
            raise json.JSONDecodeError("not JSON", "", 0) from error

    def encode_json(self, data: object) -> bytes:
        """Encode JSON."""
        return encode(data)

    async def execute_operation(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: Session,
        root_value: None,
        sub_response: Response,
    ) -> ExecutionResult | list[ExecutionResult] | SubscriptionExecutionResult:
        """Run a request's document, wherever its text is found. Raises `Refused` for one that may not be run."""
        if isinstance(request_data, GraphQLRequestData):
            named = request.scope.get("tagway.document_id") or request.query_params.get("documentId")
            request_data.query = self.documents.find(request_data.query, named, request_data.extensions, context.caller)
            if key := Posted(request.scope).idempotency_key:
                request_data.extensions = {**(request_data.extensions or {}), IDEMPOTENCY_KEY: key.decode("latin-1")}
        if Posted(request.scope).streams:
            who = whose(context.caller.principal) if context.caller else None
            held = request.scope["tagway.held"] = ExitStack()
            held.enter_context(self.streams.enter(who))
        result = await super().execute_operation(
            request, request_adapter, request_data, context, root_value, sub_response
        )
        token = Posted(request.scope).token
        if token and isinstance(result, AsyncGenerator):
            return cast(
                "SubscriptionExecutionResult", while_welcome(result, context, partial(self._callers.find, token))
            )
        return result

    async def execute_single(
        self,
        request: Request,  # noqa: ARG002 - their signature
        request_adapter: AsyncHTTPRequestAdapter,
        sub_response: Response,  # noqa: ARG002 - as above
        context: Session,
        root_value: None,
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        """Run a query or mutation; a subscription needs a transport that streams."""
        allowed = {OperationType.QUERY} if request_adapter.method == "GET" else _NOT_STREAMED

        try:
            return await self.schema.execute(
                request_data.query,
                root_value=root_value,
                variable_values=request_data.variables,
                context_value=context,
                operation_name=request_data.operation_name,
                allowed_operation_types=allowed,
                operation_extensions=request_data.extensions,
            )
        except MissingQueryError as error:
            raise Refused("`query` is missing.") from error
        except CannotGetOperationTypeError as error:
            raise Refused(error.as_http_error_reason()) from error
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.SUBSCRIPTION:
                raise Refused("Subscribe over a socket, or accept text/event-stream.") from error
            raise Refused("A GET request may only query.", code="method_not_allowed") from error

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        try:
            body = await arrived(read_bounded(receive, self._arriving))
            return await self._planned(scope, body) or await self.run(Request(scope, replayed(body, receive)))
        except (TagwayError, HTTPException) as error:
            return failure(scope, error, Request(scope).headers.get("accept", ""))

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.streams.full:
            self.failed("too_many_requests")
            await turn_away(WebSocket(scope, receive, send))
            return
        with self.streams.enter() as place:
            scope["tagway.place"] = place
            await super().__call__(scope, receive, send)

    async def _planned(self, scope: Scope, body: bytes) -> Response | None:
        """Answer by a plan what is asked plainly and can be planned; None for everything else."""
        posted, schema = Posted(scope), self.schema
        asked = find_asked(posted, scope, body)
        if asked is None or not isinstance(schema, Schema):
            return None
        scope["tagway.document_id"] = asked.document_id
        if posted.streams:
            return None
        session = await self._callers.session(scope, posted.token)
        text = self.documents.find(asked.query, asked.document_id, asked.extensions, session.caller)
        ready = schema.prepare(text, asked.operation_name, asked.variables) if text else None
        if ready is None:
            return None
        found = await ready.run(session)
        note(scope, found)
        if isinstance(found, PreExecutionError):
            return self.create_response(
                {"errors": [each.formatted for each in found.errors or ()]}, await self.get_sub_response(Request(scope))
            )
        return answer(found, session, posted)


_NOT_STREAMED: Final = {OperationType.QUERY, OperationType.MUTATION}


def graphql_routes(app: GraphQLApp) -> tuple[BaseRoute, ...]:
    """Mount the app at /graphql, for requests and for sockets."""
    return Route("/graphql", app), WebSocketRoute("/graphql", app)
