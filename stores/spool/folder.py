"""The folder of one process below the root of the spool, held by a lock for as long as the process lives."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

WAITING: Final = ".spool"
REJECTED: Final = ".rejected"
"""Of a file with something in it that could not be taken, to be tried again by the next start."""
DAMAGED: Final = ".damaged"
"""Of a file with something in it that could not be read; the rest of it has had its effect."""

_MOST_FOLDERS: Final = 64
_NUMBER: Final = "[0-9]" * 16
_TRIAL_BYTES: Final = 65_536


class Folder:
    """One process' files, which have numbers in their order."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def claim(cls, root: Path) -> Self:
        """Lock the first folder that no living process holds. Raises `OSError` when there is none or no disk."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in range(_MOST_FOLDERS):
            path = root / str(name)
            path.mkdir(mode=0o700, exist_ok=True)
            if (lock := _lock(path)) is not None:
                return cls(path, lock)
        raise OSError(f"{root} has no free folder: {_MOST_FOLDERS} processes use it")

    @classmethod
    def find_left(cls, root: Path) -> frozenset[str]:
        """Name the folders in which a process that is gone has left something to be taken. Raises `OSError`."""
        left = set()
        for name in map(str, range(_MOST_FOLDERS)):
            if (folder := cls._claim_left(root / name)) is not None:
                folder.release()
                left.add(name)
        return frozenset(left)

    @classmethod
    def claim_left(cls, root: Path, names: Iterable[str]) -> Self | None:
        """Lock the first of these folders in which something is left, and that is still nobody's. Raises `OSError`."""
        claimed = (cls._claim_left(root / name) for name in names)
        return next((folder for folder in claimed if folder is not None), None)

    @classmethod
    def _claim_left(cls, path: Path) -> Self | None:
        if any(path.glob(_NUMBER + WAITING)) and (lock := _lock(path)) is not None:
            return cls(path, lock)
        return None

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._lock)

    def path_of(self, number: int) -> Path:
        """Name the file of a number."""
        return self.path / f"{number:016d}{WAITING}"

    def numbers(self) -> list[int]:
        """List the numbers of the files that wait, the oldest first."""
        return sorted(int(path.stem) for path in self.path.glob(_NUMBER + WAITING))

    def next_number(self) -> int:
        """Give a number that no file has, be it put aside or not."""
        return 1 + max((int(path.stem) for path in self.path.glob(_NUMBER + ".*")), default=0)

    def create(self, number: int) -> int:
        """Make a file that is only ever added to, and return its descriptor."""
        path = self.path_of(number)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            self._sync()
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                path.unlink()
            raise
        return descriptor

    def remove(self, number: int) -> None:
        """Remove a file that waits."""
        self.path_of(number).unlink()
        self._sync()

    def put_aside(self, number: int, suffix: str) -> None:
        """Give a file that waits another suffix."""
        path = self.path_of(number)
        path.rename(path.with_suffix(suffix))
        self._sync()

    def bring_back(self) -> None:
        """Have the files that were rejected wait again."""
        for path in self.path.glob(_NUMBER + REJECTED):
            path.rename(path.with_suffix(WAITING))

    def bytes_aside(self) -> int:
        """Measure the files that were put aside."""
        return sum(path.lstat().st_size for path in self._aside())

    def try_disk(self) -> None:
        """See whether the disk takes what a request may need. Raises `OSError`."""
        path = self.path / "trial"
        try:
            with path.open("wb", buffering=0) as file:
                if file.write(bytes(_TRIAL_BYTES)) < _TRIAL_BYTES:
                    raise OSError("the disk has no room")
                os.fsync(file.fileno())
        finally:
            with suppress(OSError):
                path.unlink()

    def _aside(self) -> Iterator[Path]:
        for suffix in (REJECTED, DAMAGED):
            yield from self.path.glob(_NUMBER + suffix)

    def _sync(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _lock(path: Path) -> int | None:
    lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        os.close(lock)
        raise
    return lock
