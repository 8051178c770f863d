"""What the embedded servers have in common: a home with a lock, a port, a child that gets ready or says why not."""

import asyncio
import contextlib
import fcntl
import secrets
import signal
import socket
from abc import ABC, abstractmethod
from pathlib import Path

from domain.errors import CannotRun
from stores.embedded.account import Account, make_home, write_private
from stores.embedded.process import Child, end_leftovers

_READY_WITHIN = 180.0
_STARTS = 3
_LEFTOVER_GRACE = 5.0


class HomeInUse(CannotRun):
    """Another process of ours runs a server in this home."""


class ServerFailed(CannotRun):
    """The server did not get ready; the message holds the end of its log."""


class EmbeddedServer(ABC):
    """One server in `home`, on 127.0.0.1 and a free port that is kept between runs while it stays free.

    `program` overrides the search for its binary. `volatile` trades durability for speed, for tests only.
    """

    death_signal: signal.Signals
    stop_within: float

    def __init__(self, home: Path, *, program: Path | None = None, volatile: bool = False) -> None:
        self.account = Account.unprivileged()
        self.volatile = volatile
        self.url = ""
        self._asked_home = home
        self._asked_program = program
        self._child: Child | None = None
        self._locks = contextlib.ExitStack()

    @property
    def alive(self) -> bool:
        """Whether the server process runs."""
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._child is None:
            raise RuntimeError("the server was not started")
        return self._child.pid

    async def start(self) -> str:
        """Start the server on what its home keeps and return its URL.

        Also the way to start again after it died: recovers what a kill left. Raises `BinariesMissing`, `HomeInUse`
        when another process runs it, `ServerFailed` when it does not get ready.
        """
        if self.alive and await self.ping():
            return self.url
        await self.stop()  # it may just have died, or hang
        home = make_home(self._asked_home, self.account)
        self._lock(home)
        try:
            return await self._launch(home)
        except BaseException:
            await self.stop()
            raise

    async def wait_dead(self) -> int:
        """Wait until the server process has ended, whoever ended it, and return its exit code."""
        if self._child is None:
            raise RuntimeError("the server was not started")
        return await self._child.wait()

    async def stop(self) -> None:
        """Stop the server in order and leave its home to others. Does nothing when it is not running."""
        if self._child is not None:
            await self._child.stop(self.stop_within)
        self._locks.close()

    @abstractmethod
    async def prepare(self, home: Path) -> Path:
        """Make what the server needs in `home` when it is not there yet; return its data folder."""

    @abstractmethod
    def command(self, home: Path, data: Path, port: int) -> list[str]:
        """Return the command line that runs the server in the foreground."""

    @abstractmethod
    def address(self, home: Path, port: int) -> str:
        """Return the URL of the server, password included."""

    @abstractmethod
    async def ping(self) -> bool:
        """Whether the server at `url` answers."""

    async def _launch(self, home: Path) -> str:
        data = await self.prepare(home)
        failure = ""
        for _ in range(_STARTS):
            await end_leftovers(data, _LEFTOVER_GRACE)
            port = _free_port(home / "port")
            command = self.command(home, data, port)
            self._child = Child(command, account=self.account, death_signal=self.death_signal, log=home / "server.log")
            await self._child.start()
            self.url = self.address(home, port)
            if await self._ready():
                return self.url
            failure = self._child.last_words()
        raise ServerFailed(f"{type(self).__name__} did not start:\n{failure}")

    async def _ready(self) -> bool:
        """Wait for the first answer; False when the process ended instead."""
        child = self._child
        async with asyncio.timeout(_READY_WITHIN):
            while child is not None and child.alive:
                if await self.ping():
                    return True
                await asyncio.sleep(0.02)
        return False

    def _lock(self, home: Path) -> None:
        """Hold the home for as long as we live: the kernel gives the lock back however we end."""
        self._locks.close()
        file = self._locks.enter_context((home / "lock").open("w"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._locks.close()
            raise HomeInUse(f"another process runs the server in {self._asked_home}") from None


def password(home: Path) -> str:
    """Return the password of the server in `home`, made at the first call and kept in a file only we can read."""
    path = home / "password"
    if not path.exists():
        write_private(path, secrets.token_hex(24))
    return path.read_text()


def _free_port(memory: Path) -> int:
    """Return the port of the last run if nobody took it, else a free one, and remember it."""
    # Nothing stands there where a disk was full when it was written.
    remembered = int((memory.read_text() if memory.exists() else "") or 0)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", remembered))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    if port != remembered:  # what is written anew would be lost on a full disk
        memory.write_text(str(port))
    return port
