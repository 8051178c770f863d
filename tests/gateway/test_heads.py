"""Before anyone says who it is, a connection may neither grow nor drag on."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.heads import _LARGEST_HEAD
from tests.fixtures.figures import counted
from tests.fixtures.gateway import Gateway, listening
from tests.patience import AT_ALL

_HEAD = b"POST /v1/m HTTP/1.1\r\nHost: gateway\r\n"
_WHOLE = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n"
_CHUNKED = _HEAD + b"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
_NOWHERE = b"CONNECT gateway:80 HTTP/1.1\r\nHost: gateway\r\n\r\n"
_UNREADABLE = b"GET http://gateway:99999/ HTTP/1.1\r\nHost: gateway\r\n\r\n"
"""Heads that are well formed, with an address that is none."""


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(AT_ALL):
            yield reader, writer
    finally:
        writer.transport.abort()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Make a whole request, and read its answer."""
    writer.write(_WHOLE)
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"}")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a head take a twentieth of a second."""
    monkeypatch.setattr("gateway.heads._ARRIVES_WITHIN", 0.05)


@pytest.mark.parametrize("before", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("endless", [b"x: y\r\n", b"z", b"\r\n"], ids=["headers", "header", "lines"])
async def test_a_head_without_end_is_refused(gateway: Gateway, before: bool, endless: bytes) -> None:
    refused = counted(gateway, "tagway_failures_total", code="head_too_large")
    async with _connected(gateway.url) as (reader, writer):
        if before:
            await _ask(reader, writer)
        begun = b"" if endless == b"\r\n" else _HEAD + b"x: "
        # No byte more than it takes: what is left unread would turn the close into a reset.
        writer.write((begun + endless * _LARGEST_HEAD)[: _LARGEST_HEAD + 1])
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"head_too_large"' in answer
    assert b"x-content-type-options: nosniff" in answer
    assert counted(gateway, "tagway_failures_total", code="head_too_large") == refused + 1


async def test_a_body_may_not_go_on_between_its_parts(gateway: Gateway) -> None:
    async with _connected(gateway.url) as (reader, writer):
        writer.write(_CHUNKED)
        await writer.drain()
        writer.write((b"0\r\nx: " + b"y" * _LARGEST_HEAD)[: _LARGEST_HEAD + 1])
        assert await reader.read() == b""


@pytest.mark.parametrize("before", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("beginning", [b"P", _HEAD, b"\r\n"], ids=["letter", "lines", "nothing"])
@pytest.mark.usefixtures("hurried")
async def test_a_head_that_does_not_arrive_is_given_up(gateway: Gateway, before: bool, beginning: bytes) -> None:
    async with _connected(gateway.url) as (reader, writer):
        if before:
            await _ask(reader, writer)
        writer.write(beginning)
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer


@pytest.mark.usefixtures("hurried")
async def test_an_answer_that_is_due_comes_before_the_end(gateway: Gateway) -> None:
    async with _connected(gateway.url) as (reader, writer):
        writer.write(_WHOLE + _HEAD)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")


_ANSWERED = b"POST /nowhere HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n"
_PART = b"10000\r\n" + bytes(0x10000) + b"\r\n"


async def _read_answer(reader: asyncio.StreamReader) -> None:
    assert b" 404 " in await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"}")


async def _pour(writer: asyncio.StreamWriter, part: bytes, times: int) -> None:
    for _ in range(times):
        writer.write(part)
        await writer.drain()


@pytest.mark.usefixtures("hurried")
async def test_a_body_that_was_answered_may_not_drag_on(gateway: Gateway) -> None:
    async with _connected(gateway.url) as (reader, writer):
        writer.write(_ANSWERED)
        await _read_answer(reader)
        ending = asyncio.create_task(reader.read())
        while not ending.done():
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.01)
        assert ending.result() == b""


@pytest.mark.usefixtures("hurried")
async def test_a_body_that_was_answered_may_not_stop_for_long(gateway: Gateway) -> None:
    async with _connected(gateway.url) as (reader, writer):
        writer.write(_ANSWERED)
        await _read_answer(reader)
        assert await reader.read() == b""


async def test_a_body_that_was_answered_may_not_grow_without_end(gateway: Gateway) -> None:
    async with _connected(gateway.url) as (reader, writer):
        writer.write(_ANSWERED)
        await _read_answer(reader)
        with pytest.raises(ConnectionError):
            await _pour(writer, _PART, 10_000)


async def test_a_body_that_was_answered_may_come_to_its_end(gateway: Gateway) -> None:
    async with _connected(gateway.url) as (reader, writer):
        for _ in range(2):
            writer.write(_ANSWERED)
            await _read_answer(reader)
            writer.write(_PART * 10 + b"0\r\n\r\n")
            await _ask(reader, writer)


@pytest.mark.parametrize("before", [False, True], ids=["first", "later"])
@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01", b"GET / HTTP/1.1\r\nno header\r\n\r\n", _CHUNKED + b"no length\r\n", _NOWHERE, _UNREADABLE],
    ids=["tls", "header", "chunk", "nowhere", "unreadable"],
)
async def test_what_is_no_http_is_answered_like_all_that_is_refused(
    gateway: Gateway, before: bool, sent: bytes
) -> None:
    async with _connected(gateway.url) as (reader, writer):
        if before:
            await _ask(reader, writer)
        writer.write(sent)
        answer = await reader.read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"x-content-type-options: nosniff" in head
    assert json.loads(body)["code"] == "invalid_request"


@pytest.mark.parametrize("sent", [b"\x16\x03\x01", _NOWHERE, _UNREADABLE], ids=["tls", "nowhere", "unreadable"])
async def test_what_is_no_http_gets_into_no_answer_that_is_due(gateway: Gateway, sent: bytes) -> None:
    async with _connected(gateway.url) as (reader, writer):
        writer.write(_WHOLE + sent)
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.usefixtures("hurried")
async def test_an_idle_connection_stays_and_one_request_follows_another(gateway: Gateway) -> None:
    async with _connected(gateway.url) as (reader, writer):
        for _ in range(2):
            await asyncio.sleep(0.2)
            await _ask(reader, writer)


async def test_a_connection_that_says_nothing_ends(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fixtures.gateway.KEEP_ALIVE_SECONDS", 0.05)
    async with listening(gateway.resources) as url, _connected(url) as (reader, _):
        assert await reader.read() == b""
