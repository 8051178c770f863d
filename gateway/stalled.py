"""Clients that take nothing of what they are sent: the kernel cuts them, whatever waits to be written."""

import socket
from asyncio import Protocol, Server
from collections.abc import Callable, Iterable
from typing import Any, Final

import uvicorn

from stores.silence import same_socket

STALLED_SECONDS: Final = 30.0
"""How long a client may take nothing while something is there for it. It comes back with its last cursor."""


def cut_stalled(servers: Iterable[Server], seconds: float = STALLED_SECONDS) -> None:
    """Make connections to these servers end once a client has taken nothing for so long (RFC 793, user timeout).

    What waits to be written to it is held no longer, and whoever was writing goes on. A client that reads slowly, or
    one that there is nothing for, stays. Only Linux can do that; elsewhere it does nothing.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is None:
        return
    for listening in (each for server in servers for each in server.sockets):
        # Accepted connections inherit its options.
        with same_socket(listening) as same:
            if same.family in (socket.AF_INET, socket.AF_INET6):
                same.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))


def tell_of_cuts(config: uvicorn.Config, told: Callable[[], None]) -> None:
    """Have it told each time that a connection of a server with these settings has been cut."""
    config.load()
    config.http_protocol_class = _telling(config.http_protocol_class, told)
    if config.ws_protocol_class is not None:
        config.ws_protocol_class = _telling(config.ws_protocol_class, told)


def _telling(protocol: Any, told: Callable[[], None]) -> type[Protocol]:
    class Telling(protocol):  # type: ignore[misc]  # which one it is, the server's settings say
        def connection_lost(self, error: Exception | None) -> None:
            if isinstance(error, TimeoutError):
                told()
            super().connection_lost(error)

    return Telling
