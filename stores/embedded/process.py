"""One supervised child process, and the end of what a killed one left behind."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from stores.embedded.account import Account

_LAUNCH = Path(__file__).with_name("launch.py")
_LOG_LIMIT = 10_000_000


class Child:
    """A server process that dies with us, in a session of its own so that Ctrl-C reaches only us.

    `death_signal` is what the kernel sends it when our process is killed (Linux), and what `stop` sends.
    Its output goes to the end of the file `log`, or to where ours goes; without an `environment` it gets a bare one.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        account: Account | None,
        death_signal: signal.Signals,
        log: Path | None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = command
        self._account = account
        self._death_signal = death_signal
        self._log = log
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process id; raises `RuntimeError` before `start`."""
        if self._process is None:
            raise RuntimeError("the child was not started")
        return self._process.pid

    async def start(self) -> None:
        """Spawn the process; returns at once, without waiting until it is ready."""
        uid, gid = (self._account.uid, self._account.gid) if self._account else (-1, -1)
        launch = [sys.executable, "-I", "-S", str(_LAUNCH), str(uid), str(gid), str(int(self._death_signal))]
        with contextlib.ExitStack() as files:
            output = None if self._log is None else files.enter_context(_open_log(self._log))
            self._process = await asyncio.create_subprocess_exec(
                *launch,
                str(os.getpid()),
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/" if self._environment is None else None,
                env={"LC_ALL": "C", "PATH": os.defpath} if self._environment is None else self._environment,
                start_new_session=True,
            )

    async def wait(self) -> int:
        """Wait until the process has ended and return its exit code."""
        if self._process is None:
            raise RuntimeError("the child was not started")
        return await self._process.wait()

    async def stop(self, within: float) -> None:
        """Ask the process to end, wait `within` seconds, then kill it. Does nothing when it has ended."""
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):  # it just ended
            self._process.send_signal(self._death_signal)
        try:
            await asyncio.wait_for(self._process.wait(), within)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def last_words(self, lines: int = 8) -> str:
        """Return the end of the log, for an error message."""
        if self._log is None or not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


def _open_log(path: Path) -> BinaryIO:
    """Open a log, ours alone to read, to append to; afresh once it is large."""
    large = path.exists() and path.stat().st_size >= _LOG_LIMIT
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if large else os.O_APPEND)
    return os.fdopen(os.open(path, flags, 0o600), "wb")


async def run(command: Sequence[str], *, account: Account | None, log: Path, within: float) -> None:
    """Run a program to its end as `account`. Raises `RuntimeError` with the end of its output when it fails."""
    child = Child(command, account=account, death_signal=signal.SIGTERM, log=log)
    await child.start()
    try:
        code = await asyncio.wait_for(child.wait(), within)
    finally:
        await child.stop(5)
    if code != 0:
        raise RuntimeError(f"{command[0]} ended with {code}:\n{child.last_words()}")


async def end_leftovers(folder: Path, grace: float) -> None:
    """End every process whose working directory is `folder`: what a killed server left behind.

    Such processes end by themselves unless they are busy in a long statement, so they get `grace` seconds first.
    Call it only under the lock of that server's home, where no rightful process can be.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace
    while leftovers := _working_in(folder):
        if loop.time() >= deadline:
            for pid in leftovers:
                _kill(pid)
        await asyncio.sleep(0.05)


def _working_in(folder: Path) -> list[int]:
    """Return the ids of processes at work in `folder`, by /proc, else by the pid file that servers keep there."""
    if Path("/proc/self/cwd").exists():
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _cwd(entry) == folder]
    try:
        pid = int((folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return []
    return [pid]


def _cwd(entry: Path) -> Path | None:
    try:
        return (entry / "cwd").readlink()
    except OSError:  # it ended meanwhile, or belongs to someone else
        return None


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
