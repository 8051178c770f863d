"""Subscribers who are to be told the same in the same words: what was made for one of them serves all."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec
from strawberry.types import ExecutionResult

_KEPT_SECONDS: Final = 1.0
"""A change of consent has to show within seconds, so who comes later is answered anew."""

_MOST_KEPT: Final = 256

_encode = msgspec.json.Encoder().encode


@dataclass
class Payload(ExecutionResult):
    """A result that is encoded already: `text` is the JSON object that a transport wraps, `tag` its entity tag."""

    text: str = "{}"
    tag: str | None = None

    @classmethod
    def of(cls, result: ExecutionResult) -> "Payload":
        """Encode a result."""
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [error.formatted for error in result.errors]
        return cls(result.data, result.errors, None, _encode(answer).decode())

    def extended(self, extensions: dict[str, Any]) -> "Payload":
        """Return it with extensions, for one subscriber alone."""
        text = f'{self.text[:-1]},"extensions":{_encode(extensions).decode()}}}'
        return Payload(self.data, self.errors, extensions, text, self.tag)

    def tagged(self, tag: str) -> "Payload":
        """Return it with the entity tag that clients may ask by whether it has changed."""
        return Payload(self.data, self.errors, self.extensions, self.text, tag)


Make = Callable[[], Coroutine[Any, Any, Payload]]


class _Making:
    """A payload in the making, and those who wait for it: none of them takes it from the others by leaving."""

    __slots__ = ("_task", "_waiting", "since")

    def __init__(self, since: float, make: Make) -> None:
        self.since = since
        self._waiting: list[asyncio.Future[None]] = []
        self._task = asyncio.create_task(make())
        self._task.add_done_callback(self._wake)

    async def payload(self) -> Payload:
        # A shield for each of them would cost thrice as much.
        if not self._task.done():
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        return self._task.result()

    def _wake(self, _: object) -> None:
        for each in self._waiting:
            if not each.done():
                each.set_result(None)
        self._waiting.clear()


class Group:
    """Keeps the payloads of the last moments. `ticks` gives seconds."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._kept: OrderedDict[Hashable, _Making] = OrderedDict()

    async def payload(self, moment: Hashable, make: Make) -> Payload:
        """Give the payload of a moment; the first who asks has it made, also when they leave meanwhile."""
        now, making = self._ticks(), self._kept.get(moment)
        if making is None or now - making.since > _KEPT_SECONDS:
            making = self._kept[moment] = _Making(now, make)
            self._kept.move_to_end(moment)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return await making.payload()


class Groups:
    """Finds the group of a subscriber. A group is gone with its last member."""

    def __init__(self) -> None:
        self._groups: WeakValueDictionary[Hashable, Group] = WeakValueDictionary()

    def __len__(self) -> int:
        """Count the groups that have members."""
        return len(self._groups)

    def join(self, key: Hashable) -> Group:
        """Give the group of all who share `key`: everything that a payload depends on, but for its moment."""
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group()
        return group
