"""Addresses as the settings take them: checked before a driver trips over one, and shown without what is secret."""

import re
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

POSTGRES: Final = ("postgresql", "postgres")
REDIS: Final = ("redis", "rediss", "unix")
WEB: Final = ("http", "https")

_BROKERS: Final = re.compile(r"[^\s,:/]+:\d+(,\s*[^\s,:/]+:\d+)*")
_LAST_PORT: Final = 65_535


def check_url(text: str, schemes: tuple[str, ...]) -> None:
    """Raise `ValueError` for what no driver could connect to; its message never holds what was given."""
    if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        raise ValueError(f"is not a {schemes[0]}:// URL")
    if _split(text) is None:
        raise ValueError(
            "cannot be taken apart: percent-encode each sign in its user and password that is no letter or digit, "
            f"and let ports be numbers up to {_LAST_PORT}"
        )


def check_brokers(text: str) -> None:
    """Raise `ValueError` unless each broker is a host and a port."""
    if not _BROKERS.fullmatch(text):
        raise ValueError("is not host:port, comma-separated")
    if any(int(each.rpartition(":")[2]) > _LAST_PORT for each in text.split(",")):
        raise ValueError(f"is not host:port with ports up to {_LAST_PORT}")


def show_url(text: str) -> str:
    """Return a URL without its password and query; no more than its scheme where a password may lie elsewhere."""
    parts = _split(text)
    if parts is None:
        scheme, found, _ = text.partition("://")
        return f"{scheme}://…" if found else "…"
    login, _, host = parts.netloc.rpartition("@")
    user, has_password, _ = login.partition(":")
    shown = f"{user}:…@{host}" if has_password else parts.netloc
    return f"{parts.scheme}://{shown}{parts.path}"


def _split(text: str) -> SplitResult | None:
    """Take a URL apart, unless that goes wrong or puts a piece of its password elsewhere.

    A password with `/`, `?` or `#` ends the host's part early: what stands before it is taken for the port, and its
    `@` is in the rest. Without a host the drivers go to this machine, or to what the query says.
    """
    try:
        parts = urlsplit(text)
        login, _, hosts = parts.netloc.rpartition("@")
        several = hosts.split(",") if parts.scheme in POSTGRES else [hosts]
        for host in several:
            _ = urlsplit(f"//{host}").port
        if parts.query:
            parse_qsl(parts.query, strict_parsing=True)
    except ValueError:
        return None
    misplaced = "#" in text or ("@" in parts.path and parts.netloc and not login)
    # asyncpg ends the login at the first @, and trips over a host that is empty among others.
    ambiguous = parts.scheme in POSTGRES and ("@" in login or (hosts and "" in several))
    nowhere = parts.scheme in WEB and not parts.hostname
    return None if misplaced or ambiguous or nowhere else parts
