"""Subscribers who are to be told the same in the same words: what was made for one of them serves all."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable
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
    """A result that is encoded already: `text` is the JSON object that a transport wraps."""

    text: str = "{}"

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
        return Payload(self.data, self.errors, extensions, text)


class Group:
    """Keeps the payloads of the last moments. `ticks` gives seconds."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._kept: OrderedDict[Hashable, tuple[float, asyncio.Task[Payload]]] = OrderedDict()

    async def payload(self, moment: Hashable, make: Callable[[], Coroutine[Any, Any, Payload]]) -> Payload:
        """Give the payload of a moment; the first who asks has it made, also when they leave meanwhile."""
        now = self._ticks()
        made_at, making = self._kept.get(moment, (0.0, None))
        if making is None or now - made_at > _KEPT_SECONDS:
            making = asyncio.create_task(make())
            self._kept[moment] = now, making
            self._kept.move_to_end(moment)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return making.result() if making.done() else await _shared(making)


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


def _shared(making: asyncio.Task[Payload]) -> Awaitable[Payload]:
    # Who is cancelled while waiting must not take the payload from the others.
    return asyncio.shield(making)
