"""A client that costs next to nothing, so that on a small machine the server is what is measured."""

import asyncio
import gc
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Self, cast

_CONNECTIONS: Final = 64
_ANSWER_WITHIN: Final = 20.0


class Connection(asyncio.Protocol):
    """One kept-alive HTTP/1.1 connection that asks one request at a time and reads answers with a stated length."""

    def __init__(self, status: bytes = b"200") -> None:
        self._status = status
        self._received = bytearray()
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int, status: bytes = b"200") -> Self:
        """Connect to a server on this machine, which is to answer with this status."""
        _, connection = await asyncio.get_running_loop().create_connection(lambda: cls(status), "127.0.0.1", port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, gap, body = bytes(self._received).partition(b"\r\n\r\n")
        if not gap:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._received.clear()
        if self._answer and not self._answer.done():
            if head.split(b" ", 2)[1] == self._status:
                self._answer.set_result(body)
            else:
                self._answer.set_exception(RuntimeError(f"the server refused: {body[:200]!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server closed the connection"))

    async def ask(self, request: bytes) -> bytes:
        """Send one whole request and return the body of its answer. Raises unless it comes soon, with the status."""
        assert self._transport
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(_ANSWER_WITHIN):
            return await self._answer

    def close(self) -> None:
        """Hang up."""
        if self._transport:
            self._transport.close()


def post(path: str, body: bytes, **headers: str) -> bytes:
    """Write a POST request; names of headers with underscores for dashes."""
    lines = [f"POST {path} HTTP/1.1", "host: bench", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def uncollected() -> Iterator[None]:
    """Put off the collection of garbage, which would stop a client of many objects for 50 ms that are no server's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def saturate(
    port: int, requests: Sequence[bytes], seconds: float, connections: int, expected: bytes, *, status: bytes = b"200"
) -> float:
    """Ask as fast as answers come, over some connections; return requests per second. Answers must hold `expected`."""
    requests_in_turn = itertools.cycle(requests)
    started = time.perf_counter()

    async def keep_asking() -> int:
        connection, asked = await Connection.open(port, status), 0
        while time.perf_counter() - started < seconds:
            answer = await connection.ask(next(requests_in_turn))
            assert expected in answer, answer[:500]
            asked += 1
        connection.close()
        return asked

    asked = await asyncio.gather(*(keep_asking() for _ in range(connections)))
    return sum(asked) / (time.perf_counter() - started)


async def pace(port: int, requests: Sequence[bytes], a_second: float, expected: bytes) -> list[tuple[float, float]]:
    """Ask each request at its time, `a_second` of them, whatever became of those before.

    As many as there are connections are under way at once, the others wait and their waiting counts.
    Returns for each when it was due, on `time.perf_counter`, and how many seconds later it was answered.
    """
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        free.put_nowait(await Connection.open(port))

    async def ask(request: bytes, due: float) -> tuple[float, float]:
        connection = await free.get()
        answer = await connection.ask(request)
        assert expected in answer, answer[:500]
        free.put_nowait(connection)
        return due, time.perf_counter() - due

    asked = []
    with uncollected():
        started = time.perf_counter() + 0.05
        for number, request in enumerate(requests):
            due = started + number / a_second
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            asked.append(asyncio.create_task(ask(request, due)))
        answers = await asyncio.gather(*asked)
    while not free.empty():
        free.get_nowait().close()
    return answers
