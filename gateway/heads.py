"""What comes over a connection, bounded where no route reads it: heads, and bodies that were answered already."""

from asyncio import Transport
from asyncio.events import TimerHandle
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.errors import error_response
from gateway.pages import SAFE

_LARGEST_HEAD: Final = 128 * 1024
"""Room for the longest image: an event of 32 KB, percent-encoded in its address."""
_LARGEST_REST: Final = 1024 * 1024
"""Bytes of a body that may follow its answer: who has sent too much comes to read so, before the connection ends."""
_ARRIVES_WITHIN: Final = 10.0


class BoundedHeads(HttpToolsProtocol):
    """HTTP whose heads arrive soon and stay small; else the connection is answered 408 or 431, and closed.

    What goes on without end between two parts of a body, or after the last of them, is bounded alike, and so is the
    rest of a body that was answered before it was there. What is no HTTP is answered 400. A connection that has said
    nothing yet is idle, and may stay so as long as between two requests: browsers open some ahead.
    """

    _unread = 0
    """Bytes since the last head or part of a body was complete. Where that was inside of what came at once, none of it
    counts, so that nothing has to be measured while requests are whole."""
    _rest = 0
    """Bytes of a body that came after its answer."""
    _in_head = False
    _in_body = False
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
        elif self._unread or self._in_head or self._is_answered:
            self._wait()

    def on_message_begin(self) -> None:
        """Note that a head has begun."""
        self._in_head, self._rest = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that it is there, and can be read."""
        self._in_head = False
        self._progress()
        super().on_headers_complete()
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        """Note that a part came."""
        if self._is_answered:
            self._unread = 0
            self._rest += len(body)
            if self._rest > _LARGEST_REST:
                self._refuse("request_too_large")
        else:
            self._progress()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that all came."""
        self._in_body = False
        self._progress()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for what is left of the body, also where none of it comes any more."""
        super().on_response_complete()
        if self._is_answered:
            self._wait()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - their signature
        """Answer what is no HTTP, also in the place of an answer that waits for the rest of it."""
        waits = self._in_body and not self.pipeline and not self.cycle.response_started
        self._refuse("invalid_request", in_place=waits)

    @property
    def _is_answered(self) -> bool:
        """Whether a body still comes that nobody reads any more."""
        return self._in_body and self.cycle is not None and self.cycle.response_complete

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(_ARRIVES_WITHIN, self._is_late)

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

    def _refuse(self, code: str, *, in_place: bool = False) -> None:
        """Say why and close, unless an answer is due that this would get into: then close after that."""
        self._refused = True
        self._progress()
        if self.transport.is_closing():
            return
        if in_place or self.cycle is None or (self.cycle.response_complete and not self._in_body):
            self._answer(code)
        elif self.cycle.response_complete or self._in_body:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def _answer(self, code: str) -> None:
        response = error_response(code)
        response.headers["Connection"] = "close"
        head = b"".join(b"%b: %b\r\n" % each for each in (*response.raw_headers, *SAFE))
        self.transport.write(STATUS_LINE[response.status_code] + head + b"\r\n" + bytes(response.body))
        self.transport.close()


def bounded_heads(told: Callable[[str], None]) -> type[BoundedHeads]:
    """Make it tell the code of each refusal, of which no other part of a gateway hears."""

    class Telling(BoundedHeads):
        def _refuse(self, code: str, *, in_place: bool = False) -> None:
            told(code)
            super()._refuse(code, in_place=in_place)

    return Telling
