"""Blind indexes: keyed hashes that find an identifier without telling it.

Version 1 is HMAC-SHA256 of the identifier's digest, and each later version HMAC-SHA256, under its own key, of the index
before it. So what is stored can be brought to a new key without the identifiers, which nobody has: those of erased
people too.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives import hashes, hmac

from domain.alias import Alias, AliasKind
from privacy.derive import derive_key

_REMEMBERED: Final = 16_384


class BlindIndexes:
    """The index keys of one workspace, from version 1 without a gap. `roots` are what the keys per kind derive from."""

    def __init__(self, workspace: UUID, roots: Mapping[int, bytes]) -> None:
        self._workspace = workspace
        self._roots = roots
        self._keyed: dict[tuple[AliasKind, int], hmac.HMAC] = {}
        # Visitors come again and again, and to look theirs up costs a tenth of making it.
        self._made = lru_cache(maxsize=_REMEMBERED)(self._make)

    def make(self, kind: AliasKind, digest: bytes, version: int) -> Alias:
        """Index the SHA-256 of an identifier's normal form."""
        return self._made(kind, digest, version)

    def _make(self, kind: AliasKind, digest: bytes, version: int) -> Alias:
        return Alias(kind, version, self._chain(kind, digest, 1, version))

    def lift(self, alias: Alias, version: int) -> Alias:
        """Give the same identifier's index of a later version; of the same or an earlier one, what is there."""
        if alias.version >= version:
            return alias
        return Alias(alias.kind, version, self._chain(alias.kind, alias.index, alias.version + 1, version))

    def _chain(self, kind: AliasKind, value: bytes, first: int, last: int) -> bytes:
        for version in range(first, last + 1):
            keyed = self._keyed.get((kind, version))
            if keyed is None:
                key = derive_key(self._roots[version], self._workspace, f"index/{kind}/{version}")
                keyed = self._keyed[kind, version] = hmac.HMAC(key, hashes.SHA256())
            # Copying a keyed state costs half of keying anew.
            state = keyed.copy()
            state.update(value)
            value = state.finalize()
        return value
