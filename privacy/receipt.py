"""Signed receipts: what was done for a person, in a form that anyone can check later without asking us.

A receipt is `{"receipt": {…}, "public_key": hex, "signature": hex}`. The signature is Ed25519 (RFC 8032) over the JSON
of `receipt` with sorted keys and no spaces.
"""

from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_encode = msgspec.json.Encoder(order="deterministic").encode


def sign_receipt(receipt: dict[str, Any], seed: bytes) -> dict[str, Any]:
    """Sign a receipt, a JSON object, with the key made of `seed` (32 bytes)."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    plain = msgspec.json.decode(_encode(receipt))
    return {
        "receipt": plain,
        "public_key": key.public_key().public_bytes_raw().hex(),
        "signature": key.sign(_encode(plain)).hex(),
    }


def is_genuine(document: Any, public_key: str | None = None) -> bool:
    """Tell whether a signed receipt is whole, and signed by `public_key` (hex) if one is given.

    Without one, only that nothing was altered since whoever holds the named key signed it.
    """
    try:
        named = document["public_key"]
        signature = bytes.fromhex(document["signature"])
        signer = Ed25519PublicKey.from_public_bytes(bytes.fromhex(named))
        signer.verify(signature, _encode(document["receipt"]))
    except (InvalidSignature, KeyError, TypeError, ValueError):
        return False
    return public_key is None or public_key.strip().lower() == named.lower()
