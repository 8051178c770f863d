"""Marks of records whose opening went with their person: who only has the database cannot make one."""

from collections.abc import Iterable
from hashlib import sha256
from hmac import compare_digest, digest
from typing import Final

import msgspec

from privacy.keys import WorkspaceKeys
from privacy.ledger.audit import Broken

_USE: Final = "closing"


class Closed(msgspec.Struct, frozen=True):
    """A record without an opening, and its mark if there is one."""

    seq: int
    mark: bytes | None


def closing_key(keys: WorkspaceKeys) -> bytes:
    """Give the key that a workspace's marks are made under; no rotation changes it."""
    return keys.signing_key(_USE)


def mark_closed(key: bytes, seq: int) -> bytes:
    """Mark a record as one that nobody can open any more: HMAC-SHA256 of its number, 32 bytes."""
    return digest(key, seq.to_bytes(8, "big"), sha256)


def check_closed(closed: Iterable[Closed], key: bytes, after: int) -> tuple[int, int]:
    """Check the marks of records after one, in the order of the ledger; earlier ones have none.

    Returns how many are marked, and how many earlier ones are not. Raises `Broken` with the first record whose opening
    was taken away by somebody else.
    """
    marked = earlier = 0
    for each in closed:
        if each.mark is not None and compare_digest(each.mark, mark_closed(key, each.seq)):
            marked += 1
        elif each.seq > after:
            raise Broken(f"record {each.seq} has lost its opening, and not by an erasure", each.seq)
        else:
            earlier += 1
    return marked, earlier
