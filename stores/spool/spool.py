"""Requests on the local disk, for the time that a store is away: durable, sealed, bounded, and given back in order.

Each process has a folder of its own below a common root, held by a lock; one that starts again takes over the folder,
and what is in it, of one that died.
"""

import asyncio
import fcntl
import os
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import msgspec
import structlog

from domain.errors import TagwayError
from privacy.keys import KeyProvider, new_key
from privacy.parcel import ParcelSealer
from privacy.sealing import Unreadable
from stores.spool import chunk

_LARGEST_CHUNK: Final = 8 * 1024 * 1024
_MOST_FOLDERS: Final = 64
_REJECTED: Final = ".rejected"
_DAMAGED: Final = ".damaged"
_CUT_HEADER: Final = 4_096
"""Bytes of a file whose header may have been cut off by a crash; of a longer one it was damaged."""
_GROUP: Final = 256

_LOG = structlog.get_logger(__name__)


class SpoolFull(TagwayError):
    """The spool has reached its bound, or its disk has no room: nothing was kept."""

    code = "spool_full"


class Waiting(msgspec.Struct, frozen=True):
    """The oldest file of the spool: its bodies in order, None for each that is damaged."""

    number: int
    bodies: tuple[bytes | None, ...]


class _Request:
    def __init__(self, body: bytes) -> None:
        self.body = body
        self.kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Spool:
    """Keeps bodies until they are removed. Made by `open` and closed inside one event loop.

    `append` returns once its body is on the disk; whoever appends meanwhile shares the next write and its fsync.
    """

    def __init__(self, folder: Path, lock: int, *, wrapped_key: bytes, sealer: ParcelSealer, most_bytes: int) -> None:
        self._folder = folder
        self._lock = lock
        self._wrapped_key = wrapped_key
        self._sealer = sealer
        self._most_bytes = most_bytes
        self._sealers: dict[int, ParcelSealer] = {}
        self._counts: dict[int, int] = {}
        self._sizes: dict[int, int] = {}
        self._next = 1
        self._active: tuple[int, int] | None = None
        """Number and descriptor of the file that is written."""
        self._queue: deque[_Request] = deque()
        self._queued_bytes = 0
        self._arrived = asyncio.Event()
        self._files = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, root: Path, provider: KeyProvider, *, most_bytes: int) -> Self:
        """Take a free folder below `root`, the first that there is, with all that an earlier process left in it.

        Raises `OSError` when the folder cannot be used, and `Unreadable` for what another master key has sealed.
        """
        folder, lock = await asyncio.to_thread(_claim, root)
        try:
            key = new_key()
            wrapped = await provider.wrap(key)
            spool = cls(folder, lock, wrapped_key=wrapped, sealer=ParcelSealer(key), most_bytes=most_bytes)
            await spool._recover(provider)
        except BaseException:
            os.close(lock)
            raise
        spool._task = asyncio.create_task(spool._run(), name="spool")
        return spool

    @property
    def entries(self) -> int:
        """How many bodies wait, those included that are just being written."""
        return sum(self._counts.values()) + len(self._queue)

    @property
    def size(self) -> int:
        """Bytes on the disk and on their way there."""
        return sum(self._sizes.values()) + self._queued_bytes

    @property
    def full(self) -> bool:
        """Whether a body of common size would be refused."""
        return self.size >= self._most_bytes

    async def append(self, body: bytes) -> None:
        """Return once the body is on the disk. Raises `SpoolFull`."""
        if self._task is None or self._task.done() or self.size + len(body) > self._most_bytes:
            raise SpoolFull
        request = _Request(body)
        self._queue.append(request)
        self._queued_bytes += len(body)
        self._arrived.set()
        await request.kept

    async def oldest(self) -> Waiting | None:
        """Read the oldest file, which is written no further from now on; None when nothing is kept."""
        async with self._files:
            if not self._counts:
                return None
            number = min(self._counts)
            if self._active is not None and self._active[0] == number:
                os.close(self._active[1])
                self._active = None
            content = await asyncio.to_thread(chunk.read, chunk.path_of(self._folder, number))
            bodies = chunk.open_parcels(content, number, self._sealers[number]) if content else []
            return Waiting(number, tuple(bodies))

    async def remove(self, number: int) -> None:
        """Forget a file whose bodies have all had their effect."""
        async with self._files:
            await asyncio.to_thread(self._unlink, chunk.path_of(self._folder, number))
            del self._counts[number], self._sizes[number], self._sealers[number]

    async def reject(self, number: int) -> None:
        """Put a file aside, until the next start, because something in it cannot be taken."""
        async with self._files:
            path = chunk.path_of(self._folder, number)
            await asyncio.to_thread(path.rename, path.with_suffix(_REJECTED))
            del self._counts[number], self._sizes[number], self._sealers[number]

    async def close(self) -> None:
        """Keep what is on its way, then let go of the folder."""
        if self._task is not None:
            await asyncio.gather(*(request.kept for request in self._queue), return_exceptions=True)
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._active is not None:
            os.close(self._active[1])
            self._active = None
        os.close(self._lock)

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            group = [self._queue[place] for place in range(min(len(self._queue), _GROUP))]
            try:
                async with self._files:
                    await asyncio.to_thread(self._write, [request.body for request in group])
                    fault = None
            except OSError as error:
                _LOG.error("spool_not_written", error=type(error).__name__, number=error.errno)
                fault = error
            for request in group:
                self._queue.popleft()
                self._queued_bytes -= len(request.body)
                _settle(request, fault)
            if not self._queue:
                self._arrived.clear()

    def _write(self, bodies: list[bytes]) -> None:
        """Append to the file that is open, else to a new one; one that fails in the middle is cut back."""
        number, descriptor = self._active or self._begin()
        self._active = None
        size, count = self._sizes[number], self._counts[number]
        try:
            written = chunk.write_records(descriptor, number, count, bodies, self._sealers[number])
            os.fdatasync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
                os.fsync(descriptor)
            os.close(descriptor)
            if not count:
                self._discard(number)
            raise
        self._sizes[number], self._counts[number] = size + written, count + len(bodies)
        if self._sizes[number] >= _LARGEST_CHUNK:
            os.close(descriptor)
        else:
            self._active = number, descriptor

    def _begin(self) -> tuple[int, int]:
        number, self._next = self._next, self._next + 1
        path = chunk.path_of(self._folder, number)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            size = chunk.write_header(descriptor, self._wrapped_key)
            _sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                path.unlink()
            raise
        self._sizes[number], self._counts[number], self._sealers[number] = size, 0, self._sealer
        return number, descriptor

    def _discard(self, number: int) -> None:
        with suppress(OSError):
            self._unlink(chunk.path_of(self._folder, number))
        del self._counts[number], self._sizes[number], self._sealers[number]

    def _unlink(self, path: Path) -> None:
        path.unlink()
        _sync_folder(self._folder)

    async def _recover(self, provider: KeyProvider) -> None:
        """Find what an earlier process left. Files that were put aside are tried once more."""
        for path in self._folder.glob(f"*{_REJECTED}"):
            path.rename(path.with_suffix(chunk.SUFFIX))
        for number in chunk.numbers_in(self._folder):
            path = chunk.path_of(self._folder, number)
            self._next = number + 1
            content = await asyncio.to_thread(chunk.read, path)
            if content is None and path.stat().st_size > _CUT_HEADER:
                _LOG.error("spool_file_damaged", file=path.name)
                path.rename(path.with_suffix(_DAMAGED))
                continue
            if content is None or not content.parcels:
                self._unlink(path)
                continue
            try:
                key = await provider.unwrap(content.wrapped_key)
            except Unreadable:
                raise Unreadable(f"{path} was sealed under another master key: set that one") from None
            self._sealers[number] = ParcelSealer(key)
            self._counts[number], self._sizes[number] = len(content.parcels), content.end


def _settle(request: _Request, fault: OSError | None) -> None:
    if request.kept.done():
        return
    if fault is None:
        request.kept.set_result(None)
    else:
        refusal = SpoolFull()
        refusal.__cause__ = fault
        request.kept.set_exception(refusal)


def _claim(root: Path) -> tuple[Path, int]:
    """Lock the first folder that no living process holds. Folders with something in them come first, being lower."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in range(_MOST_FOLDERS):
        folder = root / str(name)
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return folder, lock
    raise OSError(f"{root} has no free folder: {_MOST_FOLDERS} processes use it")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
