"""Values that only a person's own data key opens: without the key they are noise, wherever a copy lies."""

import os
from typing import Any, Final
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import TagwayError

_FORMAT: Final = 1
_HEADER_LENGTH: Final = 3
_NONCE_LENGTH: Final = 12
_TAG_LENGTH: Final = 16
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Unreadable(TagwayError):
    """Sealed bytes do not open: another key, another place, or altered. An erased person's key is gone for good."""


class Sealer:
    """Seals and opens the values of one subject, by AES-256-GCM.

    A frame is `format (1 byte) | version of the data key (2) | nonce (12) | ciphertext | tag (16)`. Header, workspace,
    subject and the field's path are bound in, so a frame that is moved elsewhere does not open.
    """

    def __init__(self, workspace: UUID, subject: UUID, key: bytes, *, version: int = 1) -> None:
        self.workspace: Final = workspace
        self.subject: Final = subject
        self._header = bytes([_FORMAT]) + version.to_bytes(2, "big")
        self._binding = self._header + workspace.bytes + subject.bytes
        self._cipher = AESGCM(key)

    def seal(self, path: str, value: Any) -> bytes:
        """Seal a JSON value as the field at `path` (`traits.email`)."""
        nonce = os.urandom(_NONCE_LENGTH)
        return self._header + nonce + self._cipher.encrypt(nonce, _encode(value), self._binding + path.encode())

    def open(self, path: str, frame: bytes) -> Any:
        """Give back the JSON value that was sealed at `path`. Raises `Unreadable`."""
        body = frame[_HEADER_LENGTH:]
        if frame[:_HEADER_LENGTH] != self._header or len(body) < _NONCE_LENGTH + _TAG_LENGTH:
            raise Unreadable("The frame is of another format or key version.")
        try:
            plain = self._cipher.decrypt(body[:_NONCE_LENGTH], body[_NONCE_LENGTH:], self._binding + path.encode())
        except InvalidTag:
            raise Unreadable("The frame does not open under this key, at this place.") from None
        return _decode(plain)
