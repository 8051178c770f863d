"""Whoever reads the topic of dead letters learns of each where it lies and why, and nothing of what it holds."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from domain.errors import LogUnavailable
from domain.topics import DEAD_LETTERS, EVENTS
from profiles.herald import Herald
from stores.eventlog.port import TopicSpec
from stores.eventlog.postgres import PostgresLog
from tests.fixtures.world import World

pytestmark = pytest.mark.services


@pytest.fixture
async def log(world: World) -> AsyncIterator[PostgresLog]:
    log = PostgresLog(world.database)
    await log.ensure_topics({EVENTS: TopicSpec(), DEAD_LETTERS: TopicSpec()})
    yield log
    await log.close()


async def told(world: World) -> list[bytes]:
    return [row["value"] for row in await world.fetch("SELECT value FROM log_record WHERE topic = $1", DEAD_LETTERS)]


async def test_each_letter_is_announced_once_without_what_it_holds(world: World, log: PostgresLog) -> None:
    herald = Herald(world.database, log, world.clock)
    assert await herald.step() == 0
    await world.send(b"ada@shop.example", b"{}")
    assert await herald.step() == 2
    assert await herald.step() == 0
    announced = await told(world)
    letters = await world.fetch('SELECT id, partition, "offset", reason FROM dead_letter ORDER BY id')
    found = sorted((msgspec.json.decode(each) for each in announced), key=lambda each: each["id"])
    assert [(each["id"], each["partition"], each["offset"], each["reason"]) for each in found] == [
        tuple(letter) for letter in letters
    ]
    assert {each["topic"] for each in found} == {EVENTS}
    assert not any(b"ada" in each for each in announced)


async def test_a_log_that_is_away_hears_of_it_later(
    world: World, log: PostgresLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.send(b"{}")
    herald = Herald(world.database, log, world.clock)
    with monkeypatch.context() as away:
        away.setattr(log, "append", _refusing)
        with pytest.raises(LogUnavailable):
            await herald.step()
    assert await told(world) == []
    assert await herald.step() == 1
    assert len(await told(world)) == 1


async def _refusing(_topic: str, records: list[object]) -> list[LogUnavailable]:
    return [LogUnavailable() for _ in records]
