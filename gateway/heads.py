"""The head of a request, bounded in time and size: it is held before anyone could be asked for a key."""

from asyncio import Transport
from asyncio.events import TimerHandle
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.errors import error_response

_LARGEST_HEAD: Final = 128 * 1024
"""Room for the longest image: an event of 32 KB, percent-encoded in its address."""
_ARRIVES_WITHIN: Final = 10.0


class BoundedHeads(HttpToolsProtocol):
    """HTTP whose heads arrive soon and stay small; else the connection is answered 408 or 431, and closed.

    What goes on without end between two parts of a body, or after the last of them, is bounded alike. A connection that
    has said nothing yet is idle, and may stay so as long as between two requests: browsers open some ahead.
    """

    _unread = 0
    """Bytes since the last head or part of a body was complete. Where that was inside of what came at once, none of it
    counts, so that nothing has to be measured while requests are whole."""
    _in_head = False
    _refused = False
    _late: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as theirs
        """Begin, idle."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._progress()
        # Theirs leaves it standing where the client broke off.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as it leads anywhere."""
        if self._refused:
            return
        self._unread += len(data)
        super().data_received(data)
        if self._unread > _LARGEST_HEAD:
            self._refuse("head_too_large")
        elif (self._unread or self._in_head) and self._late is None:
            self._late = self.loop.call_later(_ARRIVES_WITHIN, self._is_late)

    def on_message_begin(self) -> None:
        """Note that a head has begun."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that it is there."""
        self._in_head = False
        self._progress()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Note that a part came."""
        self._progress()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that all came."""
        self._progress()
        super().on_message_complete()

    def _progress(self) -> None:
        self._unread = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _is_late(self) -> None:
        if self.flow.read_paused:
            # It is us who do not read on while earlier requests wait for their answers.
            self._late = self.loop.call_later(_ARRIVES_WITHIN, self._is_late)
        else:
            self._refuse("request_timeout")

    def _refuse(self, code: str) -> None:
        """Say why and close, unless an answer is due that this would get into: then close after that."""
        self._refused = True
        self._progress()
        if self.transport.is_closing():
            return
        if self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body):
            response = error_response(code)
            response.headers["Connection"] = "close"
            head = b"".join(b"%b: %b\r\n" % each for each in response.raw_headers)
            self.transport.write(STATUS_LINE[response.status_code] + head + b"\r\n" + bytes(response.body))
            self.transport.close()
        elif self.cycle.response_complete or self.cycle.more_body:
            self.transport.close()
        else:
            self.cycle.keep_alive = False


def bounded_heads(told: Callable[[str], None]) -> type[BoundedHeads]:
    """Make it tell the code of each refusal, of which no other part of a gateway hears."""

    class Telling(BoundedHeads):
        def _refuse(self, code: str) -> None:
            told(code)
            super()._refuse(code)

    return Telling
