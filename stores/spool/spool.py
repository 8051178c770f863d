"""Requests on the local disk, for the time that a store is away: durable, sealed, bounded, and given back in order.

Each process has a folder of its own below a common root, held by a lock. What a process has left that is gone is taken
over by the next that starts, or by one that runs and has nothing left of its own.
"""

import asyncio
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import structlog

from domain.clock import Clock, utc_now
from domain.errors import TagwayError
from privacy.keys import KeyProvider, new_key
from stores.spool.chunk import Seal
from stores.spool.files import File, Files, Waiting
from stores.spool.folder import Folder
from stores.spool.writer import Writer

_LARGEST_CHUNK: Final = 2 * 1024 * 1024
_GROUP: Final = 256
_TRY_SECONDS: Final = 5.0
"""So often is a disk that has refused tried again: a balancer that was told sends nobody who would."""
_LOOK_SECONDS: Final = 60.0

_LOG = structlog.get_logger(__name__)


class SpoolFull(TagwayError):
    """The spool has reached its bound, or its disk takes nothing: nothing was kept."""

    code = "spool_full"


class _Request:
    def __init__(self, body: bytes) -> None:
        self.body = body
        self.kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Spool:
    """Keeps bodies until they are removed. Made by `open` and closed inside one event loop.

    `append` returns once its body is on the disk; whoever appends meanwhile shares the next write and its fsync.
    """

    def __init__(self, folder: Folder, files: Files, seal: Seal, *, most_bytes: int, clock: Clock) -> None:
        self.bytes_aside = 0
        """Bytes of what was put aside, also by earlier processes in this folder."""
        self._folder = folder
        self._files = files
        self._seal = seal
        self._most_bytes = most_bytes
        self._clock = clock
        self._next = 1
        self._writer: Writer | None = None
        self._left: Folder | None = None
        """The folder of a process that is gone, while there is something in it."""
        self._looked_at: float | None = None
        self._seen_left: frozenset[str] = frozenset()
        """Folders that nobody held at the last look, if nothing of our own has waited since."""
        self._queue: deque[_Request] = deque()
        self._queued_bytes = 0
        self._wanted = 1
        """Bytes of the body that was refused last for want of room, of one at least."""
        self._arrived = asyncio.Event()
        self._refused = False
        self._changing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, root: Path, provider: KeyProvider, *, most_bytes: int, clock: Clock = utc_now) -> Self:
        """Take a free folder below `root`, the first that there is, with all that an earlier process left in it.

        Raises `OSError` when the folder cannot be used, and `Unreadable` for what another master key has sealed.
        """
        folder = await asyncio.to_thread(Folder.claim, root)
        try:
            key = new_key()
            seal = Seal(key, await provider.wrap(key))
            spool = cls(folder, Files(provider), seal, most_bytes=most_bytes, clock=clock)
            folder.bring_back()
            spool._next = folder.next_number()
            await spool._files.take_over(folder)
            await spool._tidy()
        except BaseException:
            folder.release()
            raise
        spool._task = asyncio.create_task(spool._run(), name="spool")
        return spool

    @property
    def entries(self) -> int:
        """How many bodies wait, those included that are just being written."""
        return self._files.entries + len(self._queue)

    @property
    def size(self) -> int:
        """Bytes on the disk and on their way there, with what was put aside."""
        return self._files.size + self._queued_bytes + self.bytes_aside

    @property
    def full(self) -> bool:
        """Whether a body like the one that was refused last would be refused again."""
        return self._refused or not self._has_room(self._wanted)

    @property
    def oldest_seconds(self) -> float:
        """For how long the oldest body has been waiting."""
        begun = self._files.begun
        return 0.0 if begun is None else max(0.0, self._clock().timestamp() - begun)

    @property
    def damaged(self) -> int:
        """How many requests could not be read back, since this process runs."""
        return self._files.damaged

    @property
    def rejected(self) -> int:
        """How many files were put aside until the next start, since this process runs."""
        return self._files.rejected

    async def append(self, body: bytes) -> None:
        """Return once the body is on the disk. Raises `SpoolFull`."""
        if not self._has_room(len(body)):
            self._wanted = max(1, len(body))
            raise SpoolFull
        self._seen_left = frozenset()
        request = _Request(body)
        self._queue.append(request)
        self._queued_bytes += len(body)
        self._arrived.set()
        await request.kept

    async def oldest(self) -> Waiting | None:
        """Read the oldest file, which is written no further from now on; None when nothing is kept.

        One that cannot be read is put aside for the sake of the others. Raises `OSError` where none can be read.
        """
        async with self._changing:
            while (file := self._files.first) is not None:
                if self._writer is not None and (file.folder, file.number) == (self._folder, self._writer.number):
                    self._writer.close()
                    self._writer = None
                waiting = await self._files.read(file)
                if waiting is not None:
                    return waiting
                await self._tidy()
            return None

    async def remove(self, path: Path) -> None:
        """Forget a file whose bodies have all had their effect. One of which something is lost is put aside."""
        async with self._changing:
            await self._files.remove(path)
            await self._tidy()

    async def reject(self, path: Path) -> None:
        """Put a file aside, until the next start, because something in it cannot be taken."""
        async with self._changing:
            await self._files.reject(path)
            await self._tidy()

    async def look_around(self) -> None:
        """When there is nothing else to do, once a minute, take over what processes have left that are gone.

        One that is found gone twice is: who only starts again shall find what it left, to go on behind it.
        """
        now = asyncio.get_running_loop().time()
        if self._files.first is not None or (self._looked_at is not None and now - self._looked_at < _LOOK_SECONDS):
            return
        self._looked_at = now
        try:
            root, before = self._folder.path.parent, self._seen_left
            self._seen_left = await asyncio.to_thread(Folder.find_left, root)
            self._left = await asyncio.to_thread(Folder.claim_left, root, sorted(before & self._seen_left))
            if self._left is not None:
                files = await self._files.take_over(self._left)
                _LOG.info("spool_taken_over", folder=self._left.path.name, files=files)
        except (TagwayError, OSError) as error:
            _LOG.error("spool_not_taken_over", error=type(error).__name__)
        await self._tidy()

    async def close(self) -> None:
        """Keep what is on its way, then let go of the folder."""
        if self._task is not None:
            await asyncio.gather(*(request.kept for request in self._queue), return_exceptions=True)
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._writer is not None:
            self._writer.close()
        if self._left is not None:
            self._left.release()
        self._folder.release()

    @property
    def _runs(self) -> bool:
        return self._task is not None and not self._task.done()

    def _has_room(self, size: int) -> bool:
        return self._runs and self.size + size <= self._most_bytes

    async def _run(self) -> None:
        while True:
            await self._somebody()
            group = [self._queue[place] for place in range(min(len(self._queue), _GROUP))]
            fault = None
            try:
                async with self._changing:
                    await self._write([request.body for request in group])
            except OSError as error:
                _LOG.error("spool_not_written", error=type(error).__name__, number=error.errno)
                fault = error
            self._refused = fault is not None
            for request in group:
                self._queue.popleft()
                self._queued_bytes -= len(request.body)
                _settle(request, fault)
            if not self._queue:
                self._arrived.clear()

    async def _somebody(self) -> None:
        """Wait for a body; meanwhile see whether a disk that has refused takes something again."""
        while not self._arrived.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_TRY_SECONDS if self._refused else None):
                    await self._arrived.wait()
                    return
            with suppress(OSError):
                await asyncio.to_thread(self._folder.try_disk)
                self._refused = False

    async def _write(self, bodies: list[bytes]) -> None:
        """Append to the file that is open, else to a new one; one that fails is written no further."""
        writer, self._writer = self._writer, None
        if writer is None:
            number, self._next = self._next, self._next + 1
            begun = self._clock().timestamp()
            writer = await asyncio.to_thread(Writer.begin, self._folder, number, self._seal, begun)
        try:
            await asyncio.to_thread(writer.append, bodies)
        except OSError:
            if not writer.entries:
                with suppress(OSError):
                    await asyncio.to_thread(self._folder.remove, writer.number)
            raise
        self._files.put(File(self._folder, writer.number, self._seal.sealer, writer.begun, writer.size, writer.entries))
        if writer.size < _LARGEST_CHUNK:
            self._writer = writer
        else:
            writer.close()

    async def _tidy(self) -> None:
        """Measure what was put aside, as somebody may have taken it away, and let go of a folder that is empty."""
        with suppress(OSError):
            self.bytes_aside = await asyncio.to_thread(self._folder.bytes_aside)
        self._release_left()

    def _release_left(self) -> None:
        if self._left is not None and not self._files.holds_of(self._left):
            self._left.release()
            self._left = None


def _settle(request: _Request, fault: OSError | None) -> None:
    if request.kept.done():
        return
    if fault is None:
        request.kept.set_result(None)
    else:
        refusal = SpoolFull()
        refusal.__cause__ = fault
        request.kept.set_exception(refusal)
