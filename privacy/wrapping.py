"""Keys under keys, by AES key wrap (RFC 3394), which also proves that the right key opened them."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from privacy.derive import KEY_LENGTH, derive_key
from privacy.sealing import Unreadable

_PLAIN: Final = b"\x01"
_IN_EPOCHS: Final = b"\x02"
_EPOCH_LENGTH: Final = 2


class UnknownEpoch(Unreadable):
    """A data key is under a version that this process does not have: too new for it, or destroyed."""


def wrap_key(under: bytes, key: bytes) -> bytes:
    """Wrap a key: a byte that names the format, then the wrapped key. Raises `ValueError` unless `under` has 32."""
    if len(under) != KEY_LENGTH:
        raise ValueError(f"A key must have {KEY_LENGTH} bytes.")
    return _PLAIN + aes_key_wrap(under, key)


def unwrap_key(under: bytes, wrapped: bytes) -> bytes:
    """Undo `wrap_key`. Raises `Unreadable` for anything that `under` has not wrapped."""
    if wrapped[:1] != _PLAIN:
        raise Unreadable("The wrapped key is of another format.")
    return _unwrap(under, wrapped[1:])


def epoch_header(epoch: int) -> bytes:
    """Give the bytes that every data key wrapped in an epoch begins with."""
    return _IN_EPOCHS + epoch.to_bytes(_EPOCH_LENGTH, "big")


class Epochs:
    """The keys of one workspace that wrap people's data keys.

    A wrapped data key is `format (1 byte) | epoch (2) | AES-KW`, so that each names the key that opens it; those of
    the first format, without an epoch, are of epoch 1. `roots` maps epochs to the keys that theirs derive from.
    """

    def __init__(self, workspace: UUID, roots: Mapping[int, bytes], active: int) -> None:
        self._keys = {epoch: derive_key(root, workspace, f"wrap/{epoch}") for epoch, root in roots.items()}
        self._header = epoch_header(active)
        self._active = self._keys[active]

    def wrap(self, key: bytes) -> bytes:
        """Wrap a data key in the active epoch."""
        return self._header + aes_key_wrap(self._active, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Open a data key of any epoch that still exists. Raises `UnknownEpoch`, or `Unreadable`."""
        epoch, body = 1, wrapped[1:]
        if wrapped[:1] == _IN_EPOCHS:
            epoch, body = int.from_bytes(wrapped[1 : 1 + _EPOCH_LENGTH], "big"), wrapped[1 + _EPOCH_LENGTH :]
        elif wrapped[:1] != _PLAIN:
            raise Unreadable("The wrapped key is of another format.")
        key = self._keys.get(epoch)
        if key is None:
            raise UnknownEpoch(f"There is no key of epoch {epoch}.")
        return _unwrap(key, body)


def _unwrap(under: bytes, body: bytes) -> bytes:
    try:
        return aes_key_unwrap(under, body)
    except InvalidUnwrap:
        raise Unreadable("The wrapped key does not open under this key.") from None
