"""Many keys from one, each for one use in one workspace."""

from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_LENGTH: Final = 32
"""Bytes of every key."""


def derive_key(root: bytes, workspace: UUID, use: str) -> bytes:
    """Derive 32 bytes by HKDF-SHA256 (RFC 5869). Another workspace or use gives an unrelated key."""
    info = b"tagway/" + workspace.bytes + use.encode()
    return HKDF(hashes.SHA256(), length=KEY_LENGTH, salt=None, info=info).derive(root)
