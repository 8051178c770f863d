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
    """A payload in the making, and those who wait for it."""

    __slots__ = ("_given_up", "_waiting", "made", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.made: Payload | Exception | None = None
        self._given_up = False
        self._waiting: list[asyncio.Future[None]] = []

    async def make(self, make: Make) -> Payload:
        """Make it here and now: what has to wait for nothing is there before anyone else asks."""
        self._given_up = False
        try:
            made = self.made = await make()
        except Exception as error:
            self.made = error
            raise
        finally:
            self._given_up = self.made is None
            self._wake()
        return made

    async def payload(self, make: Make) -> Payload:
        """Wait for it. Should its maker leave meanwhile, the first of those who wait makes it in their place."""
        while self.made is None:
            if self._given_up:
                return await self.make(make)
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        if isinstance(self.made, Exception):
            raise self.made
        return self.made

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)


class Group:
    """Keeps the payloads of the last moments. `ticks` gives seconds."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._kept: OrderedDict[Hashable, _Making] = OrderedDict()

    def made(self, moment: Hashable) -> Payload | None:
        """Give the payload of a moment if it is there already."""
        making = self._fresh(moment, self._ticks())
        return making.made if making and isinstance(making.made, Payload) else None

    async def payload(self, moment: Hashable, make: Make) -> Payload:
        """Give the payload of a moment: the first who asks makes it, and another of those who wait if they leave."""
        now = self._ticks()
        if making := self._fresh(moment, now):
            return await making.payload(make)
        making = self._kept[moment] = _Making(now)
        self._kept.move_to_end(moment)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return await making.make(make)

    def _fresh(self, moment: Hashable, now: float) -> _Making | None:
        making = self._kept.get(moment)
        return making if making and now - making.since <= _KEPT_SECONDS else None


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
