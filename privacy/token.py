"""What stands for a value outside: a random token that only our vault knows, or an alias that one partner can join on.

A vault token says nothing and dies with its person. A partner's alias is the same for the same value, so it can be
joined; it therefore shows which of its rows are equal, and cannot be taken back: it is for partners only, and each gets
another one.
"""

import re
import secrets
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from privacy.keys import WorkspaceKeys
from privacy.sealing import Unreadable

_RANDOM_BYTES: Final = 20
_HOST: Final = "@token.invalid"
_ALIAS: Final = re.compile(r"pal_[A-Za-z0-9_-]{24,}")
_VERSION: Final = b"\x01"
_PARTNER: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def new_token(*, as_email: bool = False) -> str:
    """Draw a vault token, `tok_…` of 160 random bits; for systems that insist on an address, `tok_…@token.invalid`."""
    token = "tok_" + b32encode(secrets.token_bytes(_RANDOM_BYTES)).decode().lower()
    return token + _HOST if as_email else token


def token_hash(token: str) -> bytes:
    """Give what the vault knows a token by, in whichever shape it comes: SHA-256 of its bare form, 32 bytes."""
    return sha256(token.strip().lower().removesuffix(_HOST).encode("utf-8", "surrogatepass")).digest()


def is_partner(name: str) -> bool:
    """Tell whether a partner may be called so: lower-case letters, digits, dashes and underscores, at most 64."""
    return _PARTNER.fullmatch(name) is not None


class PartnerAliases:
    """Makes and opens the aliases of one partner, by AES-SIV (RFC 5297) with 256-bit keys.

    An alias is `pal_` and base64 of `version (1 byte) | synthetic IV (16) | ciphertext`. The partner and the field's
    path are its associated data: a value of another field, or under another partner's key, does not open.
    """

    def __init__(self, keys: WorkspaceKeys, partner: str) -> None:
        if not is_partner(partner):
            raise ValueError("not a partner's name")
        halves = (keys.signing_key(f"partner/{use}/{partner}") for use in ("mac", "encryption"))
        self._cipher = AESSIV(b"".join(halves))
        self._partner = partner.encode()

    def make(self, path: str, value: str) -> str:
        """Give the alias of a value of the field at `path`; the same each time."""
        sealed = self._cipher.encrypt(value.encode("utf-8", "surrogatepass"), self._bound(path))
        return "pal_" + urlsafe_b64encode(_VERSION + sealed).decode().rstrip("=")

    def open(self, path: str, alias: str) -> str:
        """Give back the value. Raises `Unreadable`."""
        try:
            frame = urlsafe_b64decode(alias[4:] + "=" * (-len(alias) % 4)) if _ALIAS.fullmatch(alias) else b""
            if frame[:1] != _VERSION:
                raise Unreadable("The alias is of another format or key version.")
            return self._cipher.decrypt(frame[1:], self._bound(path)).decode("utf-8", "surrogatepass")
        except (InvalidTag, ValueError):
            raise Unreadable("The alias does not open for this partner, at this field.") from None

    def _bound(self, path: str) -> list[bytes]:
        return [_VERSION, self._partner, path.encode()]
