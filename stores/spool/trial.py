"""Whether what waits in a spool can be opened, asked by who neither claims nor changes it."""

import asyncio
from pathlib import Path
from typing import Final

from privacy.keys import KeyProvider
from privacy.sealing import Unreadable
from stores.spool import chunk
from stores.spool.folder import REJECTED, WAITING

_BEGINNING: Final = 65_536
"""Bytes that hold the first frame, which is of the key, also of a key service that wraps at length."""


async def find_closed(root: Path, provider: KeyProvider) -> list[Path]:
    """List the files below `root` that a start takes up, and whose key the provider does not open.

    One whose key cannot be found is none of them. Raises `OSError` and `StoreUnavailable`.
    """
    opens: dict[bytes, bool] = {}
    closed = []
    for path in await asyncio.to_thread(_taken_up, root):
        wrapped = await asyncio.to_thread(_wrapped_key, path)
        if wrapped is None:
            continue
        if wrapped not in opens:
            opens[wrapped] = await _opens(provider, wrapped)
        if not opens[wrapped]:
            closed.append(path)
    return closed


def _taken_up(root: Path) -> list[Path]:
    return sorted(path for suffix in (WAITING, REJECTED) for path in root.glob(f"*/*{suffix}"))


def _wrapped_key(path: Path) -> bytes | None:
    try:
        return chunk.read(path, _BEGINNING).wrapped_key or chunk.read(path).wrapped_key
    except FileNotFoundError:
        return None  # drained meanwhile


async def _opens(provider: KeyProvider, wrapped: bytes) -> bool:
    try:
        await provider.unwrap(wrapped)
    except Unreadable:
        return False
    return True
