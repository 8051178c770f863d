"""One subscriber that comes back after each lost connection, with the cursor of the last thing it heard."""

import asyncio
import base64
import contextlib
from typing import Any, Final
from uuid import UUID

import aiohttp

from tests.fixtures.stack import Stack
from tests.patience import AT_ALL

Heard = tuple[UUID, str, str, int]
"""Profile, segment, kind, the profile's version."""

_WATCH: Final = """
    subscription ($after: String) {
      segmentChanges(after: $after) { cursor kind profileId segmentKey profileVersion }
    }
"""
_KINDS: Final = {"ENTERED": "entered", "EXITED": "exited"}


class Subscriber:
    """Writes down every change that it is told, once it has seen the empty snapshot."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._cursor: str | None = None
        self.heard: list[Heard] = []
        self.connections = 0
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            # aiohttp says TypeError of a socket that ends in the middle of a hello.
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, TypeError, OSError):
                await self._follow()
            await asyncio.sleep(0.1)

    async def _follow(self) -> None:
        address = f"{self._stack.url}/graphql"
        async with self._stack.http.ws_connect(address, protocols=["graphql-transport-ws"], heartbeat=5) as socket:
            await socket.send_json({"type": "connection_init", "payload": {"token": self._stack.secret_key}})
            if (await socket.receive_json(timeout=AT_ALL))["type"] != "connection_ack":
                return
            self.connections += 1
            payload = {"query": _WATCH, "variables": {"after": self._cursor}}
            await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                frame = message.json()
                if frame["type"] == "ping":
                    await socket.send_json({"type": "pong"})
                elif frame["type"] == "next" and "errors" not in frame["payload"]:
                    self._hear(frame["payload"]["data"]["segmentChanges"])
                else:
                    return

    def _hear(self, change: dict[str, Any]) -> None:
        kind = change["kind"]
        assert kind != "RESYNC", "the story was cut"
        if kind in _KINDS:
            profile = base64.urlsafe_b64decode(change["profileId"] + "==").decode().partition(":")[2]
            self.heard.append((UUID(profile), change["segmentKey"], _KINDS[kind], change["profileVersion"]))
        self._cursor = change["cursor"] or self._cursor
        self.ready.set()
