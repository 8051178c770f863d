"""`WS /v1/stream`: batches over one open connection, each answered as soon as it is kept.

A frame is the body of `POST /v1/batch` with an `id` of the sender's beside it, its answer that of the route with the
`id` and the `status`. Frames are taken one after the other, so each person's events keep their order, and the next is
not read before the last is answered: who sends faster than we keep is slowed down by the connection itself.
"""

import asyncio
from contextlib import suppress
from typing import Final

import msgspec
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from domain.errors import FAILURES, TagwayError
from domain.outcome import Result
from gateway.closing import BAD_REQUEST, FORBIDDEN, GOING_AWAY, TOO_BIG, TRY_AGAIN_LATER, UNAUTHORIZED, shortened
from gateway.collect.answer import told
from gateway.collect.decode import read_batch, read_mended
from gateway.collect.request import read_origin, read_write_key
from gateway.resources import State, resources_of
from gateway.routes.collect import submit

_CLOSED_AS: Final = {401: UNAUTHORIZED, 403: FORBIDDEN, 429: TRY_AGAIN_LATER, 503: TRY_AGAIN_LATER}
"""Why a stream is not opened, or ended: by the status that a request would be answered."""

_IDLE_SECONDS: Final = 300.0
_LARGEST_FRAME: Final = 256 * 1024

_encode = msgspec.json.Encoder().encode


class _Frame(msgspec.Struct, frozen=True):
    id: str | int | None = None


class Told(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What became of one frame: `results` and `counts` as over HTTP, or a `code` with its `message`."""

    id: str | int | None
    status: int
    success: bool
    results: tuple[Result, ...] = ()
    counts: dict[str, int] = {}
    code: str | None = None
    message: str | None = None
    retry_after: int | None = None


_decode_id = msgspec.json.Decoder(_Frame).decode


async def stream(socket: WebSocket[State]) -> None:
    """Take frames until the sender has enough."""
    await socket.accept()
    resources = resources_of(socket)
    with suppress(WebSocketDisconnect):
        try:
            key = await resources.authenticator.write_key(read_write_key(socket, None), read_origin(socket))
            with resources.streams.enter(key.id):
                await _follow(socket)
        except TagwayError as error:
            resources.metrics.failed(error.code)
            code = _CLOSED_AS.get(error.failure.status, BAD_REQUEST)
            await socket.close(code, shortened(f"{error.code}: {error.failure.message}"))


async def _follow(socket: WebSocket[State]) -> None:
    while True:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                message = await socket.receive()
        except TimeoutError:
            await socket.close(GOING_AWAY, "nothing came for five minutes")
            return
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        frame = text.encode() if text is not None else message.get("bytes") or b""
        if len(frame) > _LARGEST_FRAME:
            await socket.close(TOO_BIG, "a frame may hold 256 KB")
            return
        answer = await _take(socket, frame)
        await socket.send_text(_encode(answer).decode())
        if answer.status in {401, 403}:
            await socket.close(_CLOSED_AS[answer.status], answer.code)
            return


async def _take(socket: WebSocket[State], frame: bytes) -> Told:
    """Bring the events of one frame to their end. Raises `Refused` for what is no frame at all."""
    named, frame = read_mended(_decode_id, frame)
    resources = resources_of(socket)
    try:
        with resources.intake.enter():
            results, _ = await submit(socket, read_batch(frame), None)
    except TagwayError as error:
        resources.metrics.failed(error.code)
        status, said = error.failure.status, error.detail or error.failure.message
        return Told(named.id, status, success=False, code=error.code, message=said, retry_after=error.retry_after)
    body = told(results, socket.scope["tagway.counts"])
    failure = FAILURES[body.code] if body.code else None
    if body.code:
        resources.metrics.failed(body.code)
    return Told(
        named.id,
        failure.status if failure else 200,
        success=body.success,
        results=body.results,
        counts=body.counts,
        code=body.code,
        message=body.message,
        retry_after=failure.retry_after if failure else None,
    )


ROUTES: Final[tuple[BaseRoute, ...]] = (WebSocketRoute("/v1/stream", stream),)
