"""One question for all who ask while the one before is still under way."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable
from typing import Final, Generic, TypeVar
from uuid import UUID

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")

_MOST_KEYS: Final = 4_000
"""In one question, unless one caller alone asks for more."""
_HELD_UP_SECONDS: Final = 1.0
"""How long a question that is not answered holds up the next: a connection may be dead and the others alive."""


class Gathering(Generic[Key, Answer]):
    """Puts the questions of concurrent callers together, those of each workspace apart.

    Nobody waits for company: who comes alone is asked for at once. Whoever comes while a question is under way shares
    the next one, so that every answer was asked for after its caller came. It may tell of keys that others named.
    """

    def __init__(self, ask: Callable[[UUID, Collection[Key]], Awaitable[Answer]]) -> None:
        self._ask = ask
        self._lines: dict[UUID, _Line[Key, Answer]] = {}
        self._asking: set[asyncio.Task[None]] = set()

    async def ask(self, workspace: UUID, keys: Collection[Key]) -> Answer:
        """Give the answer to a question that holds these keys. Raises what asking raises."""
        line = self._lines.get(workspace)
        if line is None:
            line = self._lines[workspace] = _Line()
        caller = _Caller[Key, Answer](keys)
        line.waiting.append(caller)
        if not line.questions or time.monotonic() - line.asked_at > _HELD_UP_SECONDS:
            line.questions += 1
            line.asked_at = time.monotonic()
            task = asyncio.create_task(self._serve(workspace, line))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        return await caller.answer

    async def _serve(self, workspace: UUID, line: "_Line[Key, Answer]") -> None:
        """Ask for those who wait until nobody does."""
        try:
            while line.waiting:
                callers, keys = line.take()
                line.asked_at = time.monotonic()
                try:
                    answer = await self._ask(workspace, keys)
                except Exception as error:  # noqa: BLE001 - each of the callers raises it
                    for caller in _still_there(callers):
                        caller.answer.set_exception(error)
                else:
                    for caller in _still_there(callers):
                        caller.answer.set_result(answer)
                finally:
                    for caller in _still_there(callers):
                        caller.answer.cancel()
        finally:
            line.questions -= 1
            if not line.questions:
                del self._lines[workspace]


class _Caller(Generic[Key, Answer]):
    """One who waits."""

    __slots__ = ("answer", "keys")

    def __init__(self, keys: Collection[Key]) -> None:
        self.keys = keys
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()


class _Line(Generic[Key, Answer]):
    """Those of one workspace who wait, and how many questions are under way for them: more than one where one hangs."""

    __slots__ = ("asked_at", "questions", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[_Caller[Key, Answer]] = deque()
        self.questions = 0
        self.asked_at = 0.0

    def take(self) -> "tuple[list[_Caller[Key, Answer]], list[Key]]":
        """Take those whom one question can serve: at least one."""
        callers: list[_Caller[Key, Answer]] = []
        keys: dict[Key, None] = {}
        while self.waiting and (not keys or len(keys) + len(self.waiting[0].keys) <= _MOST_KEYS):
            caller = self.waiting.popleft()
            callers.append(caller)
            keys.update(dict.fromkeys(caller.keys))
        return callers, list(keys)


def _still_there(callers: "Iterable[_Caller[Key, Answer]]") -> "Iterable[_Caller[Key, Answer]]":
    return (caller for caller in callers if not caller.answer.done())
