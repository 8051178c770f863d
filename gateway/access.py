"""The outermost layer of the app: names each request, times it, logs it, and keeps our faults from the caller."""

import time
from typing import Final

import structlog
import uuid_utils
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.tracing import HEADER, UNTRACED, Span, Tracer, read_traceparent
from gateway.errors import error_response, place_of
from gateway.metrics import Metrics
from gateway.pages import SAFE

REQUEST_ID_HEADER: Final = b"x-request-id"
_TRACEPARENT: Final = HEADER.encode()

_QUIET: Final = {"/healthz", "/health", "/readyz", "/metrics"}
_log = structlog.get_logger()


class AccessLog:
    """ASGI middleware. One line per request: its id, route, status, time and event counts; nothing of its content.

    Each answer carries the id, and the headers that all have.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, tracer: Tracer = UNTRACED) -> None:
        self._app = app
        self._metrics = metrics
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["tagway.request_id"] = str(uuid_utils.uuid7())
        started = time.perf_counter()
        status = 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID_HEADER, request_id.encode()), *SAFE]
            await send(message)

        try:
            with self._tracer_of(scope).span("request", _parent(scope)) as span:
                try:
                    await self._app(scope, receive, send_named)
                finally:
                    _tell(span, scope, request_id, status)
        except Exception as error:  # noqa: BLE001 - the last line of defence: the caller gets an id, the log the place
            scope["tagway.code"] = "internal"
            _log.error("internal_error", request_id=request_id, error=type(error).__name__, place=place_of(error))
            if status == 0:
                await error_response("internal", request_id=request_id)(scope, receive, send_named)
        finally:
            self._record(scope, request_id, status, time.perf_counter() - started)

    def _tracer_of(self, scope: Scope) -> Tracer:
        return UNTRACED if scope["path"] in _QUIET else self._tracer

    def _record(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = _route(scope)
        code = scope.get("tagway.code")
        self._metrics.requests.labels(route, status).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        if code is not None:
            self._metrics.failed(code)
        if route not in _QUIET:
            details = {"code": code, "events": scope.get("tagway.counts")}
            _log.info(
                "request",
                request_id=request_id,
                method=scope["method"],
                route=route,
                status=status,
                milliseconds=round(seconds * 1000, 2),
                **{name: value for name, value in details.items() if value is not None},
            )


def _route(scope: Scope) -> str:
    """Name the route; a path itself may hold a key, so only what it matched is told."""
    return getattr(scope.get("route"), "path", None) or "unmatched"


def _parent(scope: Scope) -> str | None:
    return next((read_traceparent(value) for name, value in scope["headers"] if name == _TRACEPARENT), None)


def _tell(span: Span, scope: Scope, request_id: str, status: int) -> None:
    route = _route(scope)
    span.rename(f"{scope['method']} {route}")
    span.tell(
        {
            "http.request.method": scope["method"],
            "http.route": route,
            "http.response.status_code": status,
            "tagway.request_id": request_id,
        }
    )
