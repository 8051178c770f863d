"""Signed heads of a ledger, in the text that witnesses and other tools of transparency logs read.

Formats: C2SP tlog-checkpoint and signed-note (c2sp.org), Ed25519.
"""

from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519: Final = b"\1"
_ID_LENGTH: Final = 4
_HASH_LENGTH: Final = 32
_SIGNATURE: Final = "\N{EM DASH} "
_STATEMENT: Final = b"tagway/statement\n"
"""Begins what is signed that is no head. A head begins with the ledger's name, so neither passes for the other."""


class Untrusted(ValueError):
    """A head, or what rests on one, cannot be trusted; the message says why."""


class Checkpoint(msgspec.Struct, frozen=True):
    """A ledger at one size. `origin` names it among all ledgers."""

    origin: str
    size: int
    root: bytes


def origin_of(workspace: UUID) -> str:
    """Name a workspace's ledger."""
    return f"tagway/ledger/{workspace}"


class Signer:
    """Signs the heads of one workspace's ledger. `seed` is 32 bytes, by `WorkspaceKeys.signing_key("ledger")`."""

    def __init__(self, workspace: UUID, seed: bytes) -> None:
        self.origin: Final = origin_of(workspace)
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self._id = _key_id(self.origin, public)
        self.public_key: Final = f"{self.origin}+{self._id.hex()}+{b64encode(_ED25519 + public).decode()}"
        """The verifier key of a signed note: `name+id+base64`."""

    def sign(self, size: int, root: bytes) -> str:
        """Write and sign the head of the ledger at this size."""
        text = f"{self.origin}\n{size}\n{b64encode(root).decode()}\n"
        signature = b64encode(self._id + self._key.sign(text.encode())).decode()
        return f"{text}\n{_SIGNATURE}{self.origin} {signature}\n"

    def attest(self, statement: bytes) -> bytes:
        """Sign a statement that is no head: 64 bytes, for `is_attested`."""
        return self._key.sign(_stated(self.origin, statement))


def is_attested(statement: bytes, signature: bytes, public_key: str) -> bool:
    """Tell whether the ledger of this public key has signed a statement. Raises `Untrusted` for what is no key."""
    name, _, key = _read_public_key(public_key)
    try:
        key.verify(signature, _stated(name, statement))
    except InvalidSignature:
        return False
    return True


def read_checkpoint(note: str, public_key: str) -> Checkpoint:
    """Read a signed head and check its signature. Raises `Untrusted`."""
    name, id_, key = _read_public_key(public_key)
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines() if separator else ():
        prefix = f"{_SIGNATURE}{name} "
        signature = _decode(line.removeprefix(prefix)) if line.startswith(prefix) else b""
        if signature[:_ID_LENGTH] == id_:
            try:
                key.verify(signature[_ID_LENGTH:], text.encode())
            except InvalidSignature:
                raise Untrusted("the signature of the head is wrong") from None
            return _read_text(text, name)
    raise Untrusted("the head is not signed by this key")


def _read_text(text: str, name: str) -> Checkpoint:
    origin, size, root, *_ = [*text.split("\n"), "", ""]
    found = _decode(root)
    if origin != name or not size.isascii() or not size.isdecimal() or len(found) != _HASH_LENGTH:
        raise Untrusted("the head is not written as a checkpoint of this ledger")
    return Checkpoint(origin, int(size), found)


def _read_public_key(text: str) -> tuple[str, bytes, Ed25519PublicKey]:
    name, _, rest = text.strip().partition("+")
    id_, _, encoded = rest.partition("+")
    public = _decode(encoded)
    if public[:1] != _ED25519 or _key_id(name, public[1:]).hex() != id_:
        raise Untrusted("the public key is not written as name+id+base64 of an Ed25519 key")
    try:
        return name, bytes.fromhex(id_), Ed25519PublicKey.from_public_bytes(public[1:])
    except ValueError:
        raise Untrusted("the public key is not one of Ed25519") from None


def _stated(origin: str, statement: bytes) -> bytes:
    return _STATEMENT + origin.encode() + b"\n" + statement


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_ID_LENGTH]


def _decode(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""
