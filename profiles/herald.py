"""Telling of records that could not be built, on a topic of their own: where each lies and why, not what it holds."""

from functools import partial
from typing import Final

import msgspec

from domain.clock import Clock
from domain.errors import LogUnavailable
from domain.topics import DEAD_LETTERS
from profiles.chores import exhaust, keep_at
from stores.dead_letters import DeadLetter, note_announced, take_unannounced
from stores.eventlog.port import EventLog, Record
from stores.faults import transaction
from stores.postgres import Database

_LOOK_EVERY: Final = 1.0
_AT_ONCE: Final = 100

_encode = msgspec.json.Encoder().encode


class Herald:
    """Announces each letter at least once. Any number may run: each letter is one herald's at a time."""

    def __init__(self, database: Database, log: EventLog, clock: Clock) -> None:
        self._database = database
        self._log = log
        self._clock = clock

    async def run(self) -> None:
        """Announce until cancelled."""
        await keep_at("herald", partial(exhaust, self.step), _LOOK_EVERY)

    async def step(self) -> int:
        """Announce some, and return how many. Raises `LogUnavailable`, `StoreUnavailable`, `Contended`."""
        async with self._database.across() as connection, transaction(connection):
            letters = await take_unannounced(connection, _AT_ONCE)
            if letters:
                refusals = await self._log.append(DEAD_LETTERS, [_announcement(letter) for letter in letters])
                if any(refusals):
                    raise LogUnavailable
                await note_announced(connection, [letter.id for letter in letters], self._clock())
        return len(letters)


def _announcement(letter: DeadLetter) -> Record:
    place = f"{letter.topic}/{letter.partition}/{letter.offset}"
    told = {
        "id": letter.id,
        "workspace": letter.workspace,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "reason": letter.reason,
        "at": letter.at,
    }
    return Record(place.encode(), _encode(told))
