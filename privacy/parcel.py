"""Whole requests that must rest on a disk for a while, sealed under a key of the process that keeps them."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy.sealing import Unreadable

_NONCE_LENGTH: Final = 12
_TAG_LENGTH: Final = 16


class ParcelSealer:
    """Seals and opens bytes by AES-256-GCM under one key of 32 bytes.

    A parcel is `nonce (12) | ciphertext | tag (16)`. The place where it lies is bound in, so that one that is moved,
    repeated or swapped with another does not open. One key may seal 2³² parcels.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, body: bytes, place: bytes) -> bytes:
        """Seal bytes for one place."""
        nonce = os.urandom(_NONCE_LENGTH)
        return nonce + self._cipher.encrypt(nonce, body, place)

    def open(self, parcel: bytes, place: bytes) -> bytes:
        """Give back what was sealed for this place. Raises `Unreadable`."""
        if len(parcel) < _NONCE_LENGTH + _TAG_LENGTH:
            raise Unreadable("The parcel is too short.")
        try:
            return self._cipher.decrypt(parcel[:_NONCE_LENGTH], parcel[_NONCE_LENGTH:], place)
        except InvalidTag:
            raise Unreadable("The parcel does not open under this key, at this place.") from None
