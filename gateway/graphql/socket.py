"""One GraphQL socket: what may be said on it, for how long, and how it ends."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, cast

import msgspec
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived, WebSocketDisconnected
from strawberry.schema.schema import StreamResult
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import ConnectionInitMessage, SubscribeMessage
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message as ProtocolMessage
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from domain.errors import FAILURES, Refused, StoreUnavailable
from gateway.closing import FORBIDDEN, TOO_BIG, TRY_AGAIN_LATER, UNAUTHORIZED, shortened
from gateway.graphql.failures import code_of
from gateway.graphql.welcome import until_unwelcome
from resolvers.caller import Caller
from resolvers.context import Session
from resolvers.documents import Documents
from resolvers.live.groups import Payload
from resolvers.repeats import IDEMPOTENCY_KEY, Repeatable

_LARGEST_FRAME: Final = 128 * 1024
MOST_OPERATIONS: Final = 100
"""Of one socket at a time, queries and mutations among them."""

_CLOSED_AS: Final = {"missing_key": UNAUTHORIZED, "too_many_requests": TRY_AGAIN_LATER}
"""Why a socket is not opened, or ended, where it is no question of rights."""

_UNSAID: Final = "{ __typename }"
"""In the place of what is asked before it is known by whom: the socket closes."""

_log = structlog.get_logger()


class _Init(msgspec.Struct, tag_field="type", tag="connection_init"):
    payload: dict[str, Any] = {}


class _Ping(msgspec.Struct, tag_field="type", tag="ping"):
    payload: dict[str, Any] | None = None


class _Pong(msgspec.Struct, tag_field="type", tag="pong"):
    payload: dict[str, Any] | None = None


class _Operation(msgspec.Struct, rename="camel"):
    query: str | msgspec.UnsetType = msgspec.UNSET
    document_id: str | msgspec.UnsetType = msgspec.UNSET
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None


class _Subscribe(msgspec.Struct, tag_field="type", tag="subscribe"):
    id: str
    payload: _Operation


class _Complete(msgspec.Struct, tag_field="type", tag="complete"):
    id: str


_Frame = _Init | _Ping | _Pong | _Subscribe | _Complete


class Socket(ASGIWebSocketAdapter):
    """Reads and writes frames of text."""

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        """Yield messages until the socket ends. Raises what the handler knows for frames that are none."""
        while self.ws.application_state is not WebSocketState.DISCONNECTED:
            try:
                text = await self.ws.receive_text()
            except WebSocketDisconnect:
                return
            except KeyError as error:
                raise NonTextMessageReceived from error
            if text is None:
                raise NonTextMessageReceived
            if len(text) > _LARGEST_FRAME:
                await self.close(TOO_BIG, "Message too big")
                return
            try:
                message = self.view.decode_json(text)
            except ValueError as error:
                if ignore_parsing_errors:
                    continue
                raise NonJsonMessageReceived from error
            yield message

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send one message. Raises `WebSocketDisconnected`."""
        await self.send_text(cast("bytes", self.view.encode_json(message)).decode())

    async def send_text(self, text: str) -> None:
        """Send a message that is encoded already. Raises `WebSocketDisconnected`."""
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        try:
            await self.ws.send({"type": "websocket.send", "text": text})
        except WebSocketDisconnect as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        """End the socket, once."""
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            await self.ws.close(code, shortened(reason))


class SocketHandler(BaseGraphQLTransportWSHandler[Session, None]):
    """Speaks graphql-transport-ws, refuses malformed messages, and asks again whether the caller is still welcome."""

    _check: asyncio.Task[None] | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._keys: dict[str, Any] = {}

    async def handle_message(self, message: ProtocolMessage) -> None:
        """Handle a message if it has the shape of one."""
        try:
            msgspec.convert(message, _Frame)
        except msgspec.ValidationError as error:
            await self.handle_invalid_message(str(error))
            return
        await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Let the caller in, or close: 4401 without a token, 4403 with one that is refused."""
        if await self._admitted(super().handle_connection_init(message)) and self.connection_acknowledged:
            self._check = self._check or asyncio.create_task(self._keep_checking())

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation, if its document may be run."""
        asked: dict[str, Any] = dict(message["payload"])
        documents: Documents = self.view.documents  # type: ignore[attr-defined]  # our app's own
        try:
            text = documents.find(
                asked.get("query"), asked.get("documentId"), asked.get("extensions"), self.context.caller
            )
        except Refused as refusal:
            self._failed(refusal.code)
            if self.connection_acknowledged:
                error = {"message": str(refusal), "extensions": {"code": refusal.code}}
                await self.websocket.send_json({"id": message["id"], "type": "error", "payload": [error]})
                return
            text = _UNSAID
        if text is None and "query" not in asked:
            await self.handle_invalid_message("`query` is missing.")
            return
        if message["id"] not in self.operations and len(self.operations) >= MOST_OPERATIONS:
            self._failed("too_many_requests")
            said = f"{MOST_OPERATIONS} operations are under way on this socket."
            error = {"message": said, "extensions": {"code": "too_many_requests", "retryAfter": 1}}
            await self.websocket.send_json({"id": message["id"], "type": "error", "payload": [error]})
            return
        if key := (asked.get("extensions") or {}).get(IDEMPOTENCY_KEY):
            self._keys[message["id"]] = key
        payload = {**asked, "query": text or ""}
        await super().handle_subscribe(cast("SubscribeMessage", {**message, "payload": payload}))

    async def run_operation(self, operation: Operation[Session, None]) -> None:
        """Run an operation; a mutation with an idempotency key once for all that come with it."""
        key = self._keys.pop(operation.id, None)
        if key is None or not Repeatable(operation.query, operation.operation_name).is_mutation:
            await super().run_operation(operation)
            return
        source = await self.schema.stream(
            operation.query,
            variable_values=operation.variables,
            context_value=self.context,
            operation_name=operation.operation_name,
            operation_extensions={IDEMPOTENCY_KEY: key},
        )
        async with contextlib.aclosing(source):
            await self._send_result_stream(operation, source)
        await operation.send_operation_message({"id": operation.id, "type": "complete"})

    async def _send_result_stream(self, operation: Operation[Session, None], result_source: StreamResult) -> None:
        """Send results; round those that others get as well, only the operation's id is put."""
        before = f'{{"id":{msgspec.json.encode(operation.id).decode()},"type":"next","payload":'
        socket = cast("Socket", self.websocket)
        async for result in result_source:
            if (errors := cast("ExecutionResult", result).errors) and (code := code_of(errors)):
                self._failed(code)
            if isinstance(result, Payload):
                await socket.send_text(f"{before}{result.text}}}")
            elif isinstance(result, PreExecutionError):
                await self._handle_pre_execution_error(operation, result)
                return
            else:
                await operation.send_next(cast("ExecutionResult", result))

    async def shutdown(self) -> None:
        """End all operations."""
        if self._check:
            self._check.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._check
        await super().shutdown()

    async def handle_task_exception(self, error: Exception) -> None:
        """Log what no operation should raise; that the other side has gone is no news."""
        if not isinstance(error, WebSocketDisconnected):
            _log.error("socket_failed", request_id=self.context.request_id, error=type(error).__name__)

    async def _keep_checking(self) -> None:
        """Close the socket of a token that expired and of a key that was revoked."""
        await self._refuse(await until_unwelcome(self.context, self._find_caller))

    async def _find_caller(self) -> Caller:
        await self.view.on_ws_connect(self.context)
        if self.context.caller is None:
            raise Refused(code="missing_key")
        return self.context.caller

    async def _admitted(self, admission: Any) -> bool:
        try:
            await admission
        except Refused as refusal:
            await self._refuse(refusal)
            return False
        except StoreUnavailable as error:
            self._failed(error.code)
            await self.websocket.close(TRY_AGAIN_LATER, error.failure.message)
            return False
        return True

    async def _refuse(self, refusal: Refused) -> None:
        self._failed(refusal.code)
        await self.websocket.close(_CLOSED_AS.get(refusal.code, FORBIDDEN), refusal.failure.message)

    def _failed(self, code: str) -> None:
        """Count a failure."""
        self.view.failed(code)  # type: ignore[attr-defined]  # our app's own


async def turn_away(socket: WebSocket) -> None:
    """Tell a client, in a way that browsers show, that there is no room for it now."""
    spoken = GRAPHQL_TRANSPORT_WS_PROTOCOL
    await socket.accept(spoken if spoken in socket.scope["subprotocols"] else None)
    await socket.close(TRY_AGAIN_LATER, shortened(FAILURES["too_many_requests"].message))
