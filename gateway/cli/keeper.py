"""Keeping the parts of `tagway up` alive."""

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Final, Protocol

from domain.errors import CannotRun
from gateway.settings import Settings, child_environment
from stores.embedded.process import Child
from stores.embedded.server import ServerFailed

_FIRST_DELAY = 0.2
_LONGEST_DELAY = 10.0
_STEADY_AFTER = 30.0
_DRAIN_WITHIN = 30.0

PROGRAM: Final = "gateway.cli.main"
"""The module that our own processes run."""

Say = Callable[[str], None]


class Moved(CannotRun):
    """A store came back at another address; the parts that use it must be started afresh."""


class Part(Protocol):
    """An embedded server or one of our own processes."""

    async def start(self) -> str:
        """Start it, also after it died, and return its address ("" when it has none)."""
        ...

    async def wait_dead(self) -> int:
        """Wait until it has ended and return its exit code."""
        ...

    async def stop(self) -> None:
        """Stop it in order, within a bounded time."""
        ...


class Command:
    """One of our own processes, `tagway <words>`; its output goes where ours goes."""

    def __init__(self, words: str, settings: Settings, program: str = PROGRAM) -> None:
        self._child = Child(
            [sys.executable, "-m", program, *words.split()],
            account=None,
            death_signal=signal.SIGTERM,
            log=None,
            environment=child_environment(settings),
        )

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child.alive

    async def start(self) -> str:
        """Spawn the process."""
        await self._child.start()
        return ""

    async def wait_dead(self) -> int:
        """Wait until the process has ended and return its exit code."""
        return await self._child.wait()

    async def stop(self) -> None:
        """Ask the process to drain and end; kill it when that takes too long."""
        await self._child.stop(_DRAIN_WITHIN)


async def keep(part: Part, name: str, address: str, say: Say) -> None:
    """Start `part` again whenever it dies, later each time unless it ran for a while. Runs until cancelled.

    Raises `Moved` when it comes back somewhere else.
    """
    loop = asyncio.get_running_loop()
    delay = _FIRST_DELAY
    while True:
        born = loop.time()
        code = await part.wait_dead()
        if loop.time() - born > _STEADY_AFTER:
            delay = _FIRST_DELAY
        say(f"{name} ended ({_meaning(code)}); starting it again")
        await asyncio.sleep(delay)
        delay = min(delay * 2, _LONGEST_DELAY)
        try:
            back = await part.start()
        except (ServerFailed, OSError) as error:
            say(f"{name} did not start: {error}")
            continue
        if back != address:
            raise Moved(f"{name} came back on another port, because its own was taken: please start again")


def _meaning(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
