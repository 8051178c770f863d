"""Finding out that the other side of a connection is gone though nothing has said so: frozen, cut off, without power.

Until somebody finds out, its locks keep everybody else waiting, and its questions are never answered.
"""

import os
import socket
from typing import Any, Final

import asyncpg

_SECONDS: Final = 20
_PROBE_EVERY: Final = 5

SETTINGS: Final = f"""
    SET tcp_keepalives_idle = {_SECONDS - 2 * _PROBE_EVERY};
    SET tcp_keepalives_interval = {_PROBE_EVERY};
    SET tcp_keepalives_count = 2;
    SET tcp_user_timeout = {_SECONDS * 1000};
    SET idle_in_transaction_session_timeout = '60s'
"""
"""What a session asks of Postgres: to end it when the machine of its client is gone, or the client stays in a
transaction without doing anything, longer than any of ours works between two statements."""

LIVELY: Final = "SET idle_session_timeout = '30s'"
"""What a session asks that holds locks which others wait for, and that says something every few seconds."""


async def be_patient(connection: asyncpg.Connection) -> None:
    """Let a transaction wait for up to an hour between its statements, for what is done elsewhere meanwhile."""
    await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '1h'")


def same_socket(hidden: Any) -> socket.socket:
    """Give a second name, to be closed, for a socket that an event loop hides: it has the same options."""
    return socket.socket(fileno=os.dup(hidden.fileno()))


def notice(transport: Any) -> None:
    """Make a connection end once the other machine has taken nothing for 20 seconds, or answers no probe for as long.

    A server that only thinks for long takes what it is sent, and is waited for. Without a socket of TCP, or where the
    system knows no such limit, nothing is done.
    """
    with same_socket(transport.get_extra_info("socket")) as same:
        if same.family not in (socket.AF_INET, socket.AF_INET6):
            return
        same.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_KEEPIDLE", _SECONDS - 2 * _PROBE_EVERY),
            ("TCP_KEEPINTVL", _PROBE_EVERY),
            ("TCP_KEEPCNT", 2),
            ("TCP_USER_TIMEOUT", _SECONDS * 1000),
        ):
            if option := getattr(socket, name, None):
                same.setsockopt(socket.IPPROTO_TCP, option, value)
