"""How late builders are is told also while none of them gets anything done."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.clock import utc_now
from domain.errors import LogUnavailable
from domain.topics import EVENTS
from profiles.builder import GROUP
from profiles.lateness import Lateness
from stores.eventlog.open import KEEP, topics
from stores.eventlog.port import Record
from stores.eventlog.postgres import PostgresLog
from stores.offsets import lock_offsets, save_offsets
from tests.fixtures.world import World
from tests.patience import AT_ALL

pytestmark = pytest.mark.services
_PASSED = timedelta(minutes=10)


class MovedClock:
    """Goes with the machine's, and may be set ahead of it."""

    ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


class SilentLog(PostgresLog):
    """A log that can be away."""

    away = False

    async def ends(self, topic: str) -> dict[int, int]:
        if self.away:
            raise LogUnavailable
        return await super().ends(topic)


@pytest.fixture
async def log(world: World) -> AsyncIterator[SilentLog]:
    log = SilentLog(world.database)
    await log.ensure_topics(topics(KEEP))
    yield log
    await log.close()


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def lateness(world: World, log: SilentLog, clock: MovedClock) -> Lateness:
    return Lateness(world.database, log, world.metrics, clock)


async def _late(lateness: Lateness, figure: str) -> bool:
    """Measure, and tell whether what is measured is ten minutes late, or not at all."""
    await lateness.measure()
    value: float = getattr(lateness._metrics, figure)._value.get()
    assert value < AT_ALL or _PASSED.total_seconds() <= value < _PASSED.total_seconds() + AT_ALL
    return value >= _PASSED.total_seconds()


async def test_an_event_that_nobody_builds_is_told_by_its_age(
    lateness: Lateness, world: World, log: SilentLog, clock: MovedClock
) -> None:
    clock.ahead = _PASSED
    assert not await _late(lateness, "oldest")
    await log.append(EVENTS, [Record(b"key", b"value")])
    assert await _late(lateness, "oldest")
    assert world.metrics.lag._value.get() == 1
    async with world.database.across() as connection:
        ends = await log.ends(EVENTS)
        await lock_offsets(connection, GROUP, EVENTS, list(ends))
        await save_offsets(connection, GROUP, EVENTS, ends)
    assert not await _late(lateness, "oldest")
    assert world.metrics.lag._value.get() == 0


async def test_who_cannot_reach_the_log_is_late(lateness: Lateness, log: SilentLog, clock: MovedClock) -> None:
    assert not await _late(lateness, "oldest")
    log.away, clock.ahead = True, _PASSED
    assert await _late(lateness, "oldest")
    log.away = False
    assert not await _late(lateness, "oldest")


async def test_a_change_that_has_not_reached_all_is_told_by_its_age(
    lateness: Lateness, world: World, clock: MovedClock
) -> None:
    clock.ahead = _PASSED
    assert not await _late(lateness, "publish_oldest")
    await world.execute(
        """
        INSERT INTO segment_change (workspace_id, profile_id, profile_version, segment_id, segment_key,
            segment_version, kind, at, cause)
        SELECT gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), 'key', 1, 'entered', $1, '{}'
        """,
        datetime(2026, 5, 4, tzinfo=UTC),
    )
    assert await _late(lateness, "publish_oldest")
    await world.execute("UPDATE segment_change SET position = 1")
    assert await _late(lateness, "publish_oldest")
    await world.execute("UPDATE publisher SET last_position = 1, published_through = 1")
    assert not await _late(lateness, "publish_oldest")
