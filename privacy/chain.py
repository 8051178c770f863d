"""Entries that each hold the hash of the one before: altering one shows in all that follow."""

from hashlib import sha256
from typing import Any, Final

import msgspec

GENESIS: Final = bytes(32)
"""What the first entry of a chain follows."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def follow(previous: bytes, entry: Any) -> bytes:
    """Hash an entry, JSON with its keys sorted, onto the hash of the one before: 32 bytes."""
    return sha256(previous + _encode(entry)).digest()
