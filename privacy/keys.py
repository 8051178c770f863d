"""Keys, outside in: the master key wraps each workspace's key, which wraps each person's data key."""

import os
from collections import OrderedDict
from typing import Final, Protocol
from uuid import UUID

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from domain.alias import Alias, AliasKind
from privacy.sealing import Sealer, Unreadable

KEY_LENGTH: Final = 32
"""Bytes of every key."""

INDEX_VERSION: Final = 1
"""Version of the index keys that new aliases are made under."""

_WRAP_VERSION: Final = 1


def new_key() -> bytes:
    """Draw a random key of 32 bytes."""
    return os.urandom(KEY_LENGTH)


class KeyProvider(Protocol):
    """Who holds the master key: this process (`LocalMasterKey`), or a key service that never shows it.

    Both methods raise `StoreUnavailable` when a service does not answer.
    """

    async def wrap(self, key: bytes) -> bytes:
        """Encrypt a workspace's key for storage."""
        ...

    async def unwrap(self, wrapped: bytes) -> bytes:
        """Give a workspace's key back. Raises `Unreadable` when it was not wrapped by this master key."""
        ...


class LocalMasterKey:
    """A master key of 32 bytes from a file or the environment. Raises `ValueError` for another length."""

    def __init__(self, key: bytes) -> None:
        self._wrapping = _Wrapping(key)

    async def wrap(self, key: bytes) -> bytes:
        """Encrypt a workspace's key for storage."""
        return self._wrapping.wrap(key)

    async def unwrap(self, wrapped: bytes) -> bytes:
        """Give a workspace's key back. Raises `Unreadable` when it was not wrapped by this master key."""
        return self._wrapping.unwrap(wrapped)


class WorkspaceKeys:
    """All keys of one workspace, derived from its one stored key; keep one per workspace for the process's life.

    `raw` is that key unwrapped, 32 bytes. At most `sealers` opened data keys are held at a time.
    """

    def __init__(self, workspace: UUID, raw: bytes, *, sealers: int = 10_000) -> None:
        self.workspace: Final = workspace
        self._raw = raw
        self._wrapping = _Wrapping(self._derive("wrap/1"))
        self._indexes: dict[tuple[AliasKind, int], hmac.HMAC] = {}
        self._sealers: OrderedDict[tuple[UUID, bytes], Sealer] = OrderedDict()
        self._most_sealers = sealers

    def alias(self, kind: AliasKind, digest: bytes, *, version: int = INDEX_VERSION) -> Alias:
        """Make the blind index of an identifier from the SHA-256 of its normal form."""
        keyed = self._indexes.get((kind, version))
        if keyed is None:
            key = self._derive(f"index/{kind}/{version}")
            keyed = self._indexes[kind, version] = hmac.HMAC(key, hashes.SHA256())
        # Copying a keyed state costs half of keying anew.
        state = keyed.copy()
        state.update(digest)
        return Alias(kind, version, state.finalize())

    def new_wrapped_key(self) -> bytes:
        """Draw a data key for a new person, wrapped for storage."""
        return self._wrapping.wrap(new_key())

    def sealer(self, subject: UUID, wrapped_key: bytes) -> Sealer:
        """Open a person's data key. Raises `Unreadable` when the key is not of this workspace."""
        name = (subject, wrapped_key)
        found = self._sealers.get(name)
        if found is not None:
            self._sealers.move_to_end(name)
            return found
        found = self._sealers[name] = Sealer(self.workspace, subject, self._wrapping.unwrap(wrapped_key))
        if len(self._sealers) > self._most_sealers:
            self._sealers.popitem(last=False)
        return found

    def forget(self, subject: UUID) -> None:
        """Drop a person's opened keys at once, on their erasure."""
        for name in [name for name in self._sealers if name[0] == subject]:
            del self._sealers[name]

    def signing_key(self, name: str) -> bytes:
        """Derive a key of 32 bytes for one use, told apart by `name` (`token`, `cursor`)."""
        return self._derive(f"sign/{name}")

    def _derive(self, use: str) -> bytes:
        info = b"tagway/" + self.workspace.bytes + use.encode()
        return HKDF(hashes.SHA256(), length=KEY_LENGTH, salt=None, info=info).derive(self._raw)


class _Wrapping:
    """AES key wrap (RFC 3394) behind one byte that names the version of the wrapping key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_LENGTH:
            raise ValueError(f"A key must have {KEY_LENGTH} bytes.")
        self._key = key

    def wrap(self, key: bytes) -> bytes:
        return bytes([_WRAP_VERSION]) + aes_key_wrap(self._key, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        if wrapped[:1] != bytes([_WRAP_VERSION]):
            raise Unreadable("The wrapped key is of another version.")
        try:
            return aes_key_unwrap(self._key, wrapped[1:])
        except InvalidUnwrap:
            raise Unreadable("The wrapped key does not open under this key.") from None
