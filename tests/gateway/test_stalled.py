"""Subscribers who stop reading are cut, cost next to nothing until then, and go on where they were."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.stalled import STALLED_SECONDS
from resolvers.live.listener import MOST_WAITING
from tests.fixtures.figures import counted
from tests.fixtures.gateway import Gateway, listening
from tests.fixtures.graphql import eventually
from tests.fixtures.seeds import Seeds
from tests.patience import AT_ALL

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux cuts who takes nothing")
_NUMBER = 3_000
_LAST = 16_384
_QUERY = """subscription ($after: String) { segmentChanges(profile: {externalId: "u-1"}, after: $after) {
    cursor kind segmentVersion profileId } }"""
_CHANGE = re.compile(rb'"cursor":"([^"]+)","kind":"ENTERED","segmentVersion":(\d+),"profileId":"')


class Client:
    """A client that reads only when it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.heard = b""

    @property
    def changes(self) -> list[tuple[str, int]]:
        return [(cursor.decode(), int(version)) for cursor, version in _CHANGE.findall(self.heard)]

    async def read_until(self, last: bytes | None) -> None:
        """Read until the last was heard, or the server is gone."""
        heard = bytearray(self.heard)
        async with asyncio.timeout(AT_ALL):
            with suppress(ConnectionError):
                while (last is None or last not in heard[-_LAST:]) and (part := await self._reader.read(_LAST // 2)):
                    heard += part
        self.heard = bytes(heard)


@asynccontextmanager
async def _connected(url: str, holds: int | None = None) -> AsyncIterator[Client]:
    """Connect; the kernel holds no more than so many bytes for the client, if that is said."""
    place = urlsplit(url)
    mine = socket.socket()
    if holds:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, holds)
    mine.setblocking(False)
    await asyncio.get_running_loop().sock_connect(mine, (place.hostname, place.port))
    reader, writer = await asyncio.open_connection(sock=mine, limit=holds or _LAST)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


def _request(variables: dict[str, Any]) -> dict[str, Any]:
    return {"query": _QUERY, "variables": variables}


async def _stream(client: Client, key: str, after: str | None) -> None:
    body = json.dumps(_request({"after": after})).encode()
    head = [
        "POST /graphql HTTP/1.1",
        "Host: test",
        "Content-Type: application/json",
        "Accept: text/event-stream",
        f"Authorization: Bearer {key}",
        f"Content-Length: {len(body)}",
    ]
    client.writer.write("\r\n".join([*head, "", ""]).encode() + body)


async def _socket(client: Client, key: str, after: str | None) -> None:
    head = [
        "GET /graphql HTTP/1.1",
        "Host: test",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: graphql-transport-ws",
    ]
    client.writer.write("\r\n".join([*head, "", ""]).encode())
    await client.read_until(b"\r\n\r\n")
    client.writer.write(_frame({"type": "connection_init", "payload": {"token": key}}))
    client.writer.write(_frame({"type": "subscribe", "id": "1", "payload": _request({"after": after})}))


def _frame(message: dict[str, Any]) -> bytes:
    text = json.dumps(message).encode()
    # A mask of zeros leaves the text as it is (RFC 6455, 5.3).
    return b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text


@pytest.mark.parametrize("subscribe", [_stream, _socket], ids=["stream", "socket"])
async def test_who_stops_reading_is_cut_and_resumes_without_a_gap(
    gateway: Gateway, seeds: Seeds, subscribe: Any
) -> None:
    await seeds.segment("s0")
    profile = await seeds.profile(user_id="u-1")
    hub = gateway.resources.graphql._services.hub
    key = gateway.tenant.secret_key
    heard: list[tuple[str, int]] = []
    cut = counted(gateway, "tagway_connections_cut_total")
    async with listening(gateway.resources, stalled_seconds=1) as url, _connected(url, holds=4_096) as client:
        await subscribe(client, key, None)
        await client.read_until(b"SNAPSHOT_END")
        [listener] = hub._listeners[seeds.workspace]
        await seeds.happen_often(profile, "s0", _NUMBER)

        async def is_cut() -> bool:
            assert len(listener._waiting) <= MOST_WAITING
            return seeds.workspace not in hub._listeners

        await eventually(is_cut)
        assert counted(gateway, "tagway_connections_cut_total") == cut + 1
        await client.read_until(None)
        heard += client.changes
        assert 0 < len(heard) < _NUMBER
    async with _connected(gateway.url) as again:
        await subscribe(again, key, heard[-1][0])
        await again.read_until(b'"segmentVersion":%d,"profileId":"' % _NUMBER)
        assert b"RESYNC" not in again.heard
        heard += again.changes
    assert [version for _, version in heard] == list(range(1, _NUMBER + 1))


async def test_who_has_nothing_to_read_stays(gateway: Gateway, seeds: Seeds) -> None:
    await seeds.segment("s0")
    profile = await seeds.profile(user_id="u-1")
    async with listening(gateway.resources, stalled_seconds=0.5) as url, _connected(url) as client:
        await _stream(client, gateway.tenant.secret_key, None)
        await client.read_until(b"SNAPSHOT_END")
        await asyncio.sleep(1)
        await seeds.happen(profile, "s0")
        await client.read_until(b"ENTERED")
        assert client.changes


def test_whoever_is_cut_was_given_time() -> None:
    assert STALLED_SECONDS >= 30
