"""The doctor finds what is late."""

from datetime import timedelta

import msgspec
import pytest

from domain.clock import utc_now
from domain.topics import EVENTS
from gateway.brokers import read_brokers
from gateway.doctor import pace
from gateway.doctor.pace import check_lag
from gateway.settings import Settings
from profiles.builder import GROUP
from stores.eventlog.open import open_log
from stores.eventlog.port import Record, TopicSpec
from stores.eventlog.postgres import PostgresLog
from stores.offsets import lock_offsets, save_offsets
from tests.fixtures.doctor import examine
from tests.fixtures.world import Sent, World


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes have passed since anything was done."""
    monkeypatch.setattr(pace, "utc_now", lambda: utc_now() + timedelta(minutes=2))


async def test_overdue_timers_are_found(settings: Settings, world: World) -> None:
    await world.send(Sent(("user_id:ada",)))
    await world.execute(
        """
        INSERT INTO leaf_state (workspace_id, profile_id, leaf, stamps, due_at)
        SELECT workspace_id, id, 'leaf', '{}', $1 FROM profile
        """,
        utc_now() - timedelta(minutes=10),
    )
    well, (wrong,) = await examine(settings)
    assert not well
    assert "timers: 1 are overdue, by up to 0:10" in wrong


async def test_events_that_nobody_builds_are_found(
    settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_MUCH", 5)
    log = PostgresLog(world.database)
    await log.ensure_topics({EVENTS: TopicSpec()})
    await log.append(EVENTS, [Record(b"key", b"value")] * 6)
    await log.close()
    well, (wrong,) = await examine(settings)
    assert not well
    assert "lag: 6 events are not built yet" in wrong


@pytest.mark.parametrize("kind", ["postgres", "kafka"])
async def test_one_event_that_nobody_has_built_for_a_minute_is_found(
    settings: Settings, world: World, request: pytest.FixtureRequest, kind: str
) -> None:
    if kind == "kafka":
        settings = msgspec.structs.replace(settings, kafka_bootstrap=request.getfixturevalue("kafka_bootstrap"))
    log = await open_log(read_brokers(settings), world.database)
    try:
        before = await log.ends(EVENTS)
        await _reach(world, await log.source(EVENTS), before)
        await log.append(EVENTS, [Record(b"key", b"value")])
        assert await examine(settings) == (True, [])
        request.getfixturevalue("later")
        well, (wrong,) = await examine(settings)
        assert not well
        assert "lag: 1 events are not built yet, the oldest for 0:02:0" in wrong
        await _reach(world, await log.source(EVENTS), await log.ends(EVENTS))
        assert await examine(settings) == (True, [])
    finally:
        await log.close()


async def test_how_many_partitions_there_are_is_told_where_the_settings_say_otherwise(settings: Settings) -> None:
    assert (await check_lag(settings)).endswith("; 4 partitions")
    said = await check_lag(msgspec.structs.replace(settings, log_partitions=16))
    assert said.endswith("; 4 partitions, as the topic was made: TAGWAY_LOG_PARTITIONS=16 changes nothing")


async def _reach(world: World, source: str, places: dict[int, int]) -> None:
    async with world.database.across() as connection:
        await lock_offsets(connection, GROUP, source, list(places))
        await save_offsets(connection, GROUP, source, places)


async def _change(world: World) -> None:
    log = PostgresLog(world.database)
    await log.ensure_topics({EVENTS: TopicSpec()})
    await log.close()
    await world.execute(
        """
        INSERT INTO segment_change (workspace_id, profile_id, profile_version, segment_id, segment_key,
            segment_version, kind, at, cause)
        SELECT gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), 'key', 1, 'entered', now(), '{}'
        """
    )


async def test_changes_that_nobody_publishes_are_found(
    settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_MUCH", 1)
    await _change(world)
    well, (wrong,) = await examine(settings)
    assert not well
    assert "lag: 1 segment changes wait to be published" in wrong


@pytest.mark.parametrize("numbered", [False, True], ids=["unnumbered", "numbered"])
async def test_one_change_that_nobody_has_published_for_a_minute_is_found(
    settings: Settings, world: World, request: pytest.FixtureRequest, numbered: bool
) -> None:
    await _change(world)
    if numbered:  # Redis or the log has not taken it
        await world.execute("UPDATE segment_change SET position = 1")
        await world.execute("UPDATE publisher SET last_position = 1")
    assert await examine(settings) == (True, [])
    request.getfixturevalue("later")
    _, (wrong,) = await examine(settings)
    assert "lag: 1 segment changes wait to be published, the oldest for 0:02:0" in wrong
