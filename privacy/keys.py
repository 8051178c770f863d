"""Keys, outside in: the master key wraps each workspace's keys, of which one wraps each person's data key."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from domain.alias import Alias, AliasKind
from domain.rotation import KeyState, KeyUse
from privacy.blind import BlindIndexes
from privacy.derive import KEY_LENGTH, derive_key
from privacy.sealing import Sealer, Unreadable
from privacy.wrapping import Epochs, unwrap_key, wrap_key

_SEALER_SECONDS: Final = 300.0
"""For how long an opened data key is held at most."""


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
        if len(key) != KEY_LENGTH:
            raise ValueError(f"A key must have {KEY_LENGTH} bytes.")
        self._key = key

    async def wrap(self, key: bytes) -> bytes:
        """Encrypt a workspace's key for storage."""
        return wrap_key(self._key, key)

    async def unwrap(self, wrapped: bytes) -> bytes:
        """Give a workspace's key back. Raises `Unreadable` when it was not wrapped by this master key."""
        return unwrap_key(self._key, wrapped)


class Succession:
    """A master key that takes over from another: what either wrapped opens, and all that is new is the first's."""

    def __init__(self, current: KeyProvider, previous: KeyProvider) -> None:
        self._current = current
        self._previous = previous

    async def wrap(self, key: bytes) -> bytes:
        """Encrypt a workspace's key for storage."""
        return await self._current.wrap(key)

    async def unwrap(self, wrapped: bytes) -> bytes:
        """Give a workspace's key back. Raises `Unreadable` when neither wrapped it."""
        try:
            return await self._current.unwrap(wrapped)
        except Unreadable:
            return await self._previous.unwrap(wrapped)


@dataclass(frozen=True, slots=True)
class OpenedKey:
    """One version of a workspace's key for one use, unwrapped."""

    use: KeyUse
    version: int
    state: KeyState
    key: bytes = field(repr=False)


class WorkspaceKeys:
    """All keys of one workspace; keep one per workspace for the process's life, it follows rotations by `adopt`.

    `raw` is the workspace's own key unwrapped, 32 bytes; without `versions` the first version of every use derives
    from it. At most `sealers` opened data keys are held at a time, each for five minutes of `ticks` (seconds).
    """

    def __init__(
        self,
        workspace: UUID,
        raw: bytes,
        versions: Iterable[OpenedKey] = (),
        *,
        stamp: int = 0,
        sealers: int = 10_000,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.workspace: Final = workspace
        self.own: Final = raw
        self._sealers: OrderedDict[tuple[UUID, bytes], tuple[float, Sealer]] = OrderedDict()
        self._most_sealers = sealers
        self._ticks = ticks
        self._signing: dict[str, bytes] = {}
        self.adopt(versions, stamp)

    def adopt(self, versions: Iterable[OpenedKey], stamp: int) -> None:
        """Take over the versions that exist as of `stamp`, the number of the last change to them."""
        first = [OpenedKey(use, 1, KeyState.ACTIVE, self.own) for use in KeyUse]
        versions = list(versions)
        versions += [each for each in first if all(each.use is not known.use for known in versions)]
        self.opened = {(each.use, each.version): each.key for each in versions}
        self.stamp = stamp
        wraps = {each.version: each.key for each in versions if each.use is KeyUse.WRAP}
        indexes = {each.version: each.key for each in versions if each.use is KeyUse.INDEX}
        self.epoch = _only(versions, KeyUse.WRAP, KeyState.ACTIVE) or 1
        self._epochs = Epochs(self.workspace, wraps, self.epoch)
        self.index_version = _only(versions, KeyUse.INDEX, KeyState.ACTIVE) or 1
        self.next_index_version = _only(versions, KeyUse.INDEX, KeyState.COMING)
        self._indexes = BlindIndexes(self.workspace, indexes)

    def alias(self, kind: AliasKind, digest: bytes) -> Alias:
        """Make the blind index of an identifier from the SHA-256 of its normal form, of the active version."""
        return self._indexes.make(kind, digest, self.index_version)

    def lift(self, alias: Alias) -> Alias:
        """Bring an alias of an earlier version to the active one."""
        return self._indexes.lift(alias, self.index_version)

    def coming(self, alias: Alias) -> Alias | None:
        """Give the alias under the version that is coming, which is written beside the active one; else None."""
        if self.next_index_version is None:
            return None
        return self._indexes.lift(alias, self.next_index_version)

    def everywhere(self, aliases: Iterable[Alias]) -> tuple[Alias, ...]:
        """Give all aliases that some identifiers are stored under now, whatever versions name them: to read or write.

        Those of the active version come first, in their order.
        """
        active = dict.fromkeys(self.lift(alias) for alias in aliases)
        coming = {alias: None for each in active if (alias := self.coming(each)) is not None}
        return tuple(active | coming)

    def new_wrapped_key(self) -> bytes:
        """Draw a data key for a new person, wrapped for storage."""
        return self._epochs.wrap(new_key())

    def rewrap(self, wrapped_key: bytes) -> bytes:
        """Wrap a data key of any epoch in the active one. Raises `Unreadable`."""
        return self._epochs.wrap(self._epochs.unwrap(wrapped_key))

    def sealer(self, subject: UUID, wrapped_key: bytes) -> Sealer:
        """Open a person's data key. Raises `Unreadable` when it is not of this workspace, `UnknownEpoch`."""
        now = self._ticks()
        name = (subject, wrapped_key)
        opened_at, found = self._sealers.get(name, (0.0, None))
        if found is not None and now - opened_at < _SEALER_SECONDS:
            return found
        found = Sealer(self.workspace, subject, self._epochs.unwrap(wrapped_key))
        self._sealers.pop(name, None)
        self._sealers[name] = (now, found)
        self._let_go(now)
        return found

    def forget(self, subject: UUID) -> None:
        """Drop a person's opened keys at once, on their erasure."""
        for name in [name for name in self._sealers if name[0] == subject]:
            del self._sealers[name]

    def likeness_key(self) -> bytes:
        """Give the key of 32 bytes that filters of likeness are made under; it goes with the active index version."""
        return derive_key(self.opened[KeyUse.INDEX, self.index_version], self.workspace, "likeness")

    def signing_key(self, name: str) -> bytes:
        """Derive a key of 32 bytes for one use, told apart by `name` (`token`, `cursor`). No rotation changes it."""
        if name not in self._signing:
            self._signing[name] = derive_key(self.own, self.workspace, f"sign/{name}")
        return self._signing[name]

    def _let_go(self, now: float) -> None:
        """Drop what was opened first while it is too old or too much; the order of opening is that of the dict."""
        while self._sealers:
            opened_at, _ = next(iter(self._sealers.values()))
            if len(self._sealers) <= self._most_sealers and now - opened_at < _SEALER_SECONDS:
                return
            self._sealers.popitem(last=False)


def _only(versions: Iterable[OpenedKey], use: KeyUse, state: KeyState) -> int | None:
    return next((each.version for each in versions if each.use is use and each.state is state), None)
