"""A record that cannot be built is put aside, corrected, sent again, and then counts once."""

from collections.abc import AsyncIterator

import pytest

from domain.errors import LogUnavailable, Refused
from domain.event import encode_event
from domain.topics import EVENTS
from profiles.dead_letters import corrected, fix, replay
from stores.dead_letters import count_dead_letters, list_dead_letters
from stores.eventlog.port import TopicSpec
from stores.eventlog.postgres import PostgresLog
from tests.fixtures.world import Sent, World


@pytest.fixture
async def log(world: World) -> AsyncIterator[PostgresLog]:
    log = PostgresLog(world.database)
    await log.ensure_topics({EVENTS: TopicSpec()})
    yield log
    await log.close()


async def poison(world: World) -> bytes:
    """Make a record that is JSON, names its workspace and breaks the format of an event."""
    sound = encode_event(await world.protect(Sent(("user_id:ada",), "product_view", message_id="poison")))
    return sound.replace(b'"type":"track"', b'"type":"dance"')


async def test_a_record_is_corrected_replayed_and_built_once(world: World, log: PostgresLog) -> None:
    await world.send(
        Sent(("user_id:ada",), "product_view"), await poison(world), Sent(("user_id:ada",), "product_view")
    )
    async with world.database.across() as connection:
        (letter,) = await list_dead_letters(connection, None, 10)
        assert "type" in letter.reason
        assert await replay(connection, log, None, [letter.id]) == []  # it is no event yet
        fixed = await fix(connection, None, letter.id, put={"type": "track"}, drop=[], at=world.clock())
        assert fixed is not None
        assert await replay(connection, log, None, [letter.id]) == [letter.id]
        assert await count_dead_letters(connection, None) == 0
    rows = await world.fetch("SELECT value FROM log_record WHERE topic = $1", EVENTS)
    values = [row["value"] for row in rows]
    await world.send(*values, *values, partition=7)
    (row,) = await world.fetch("SELECT counters FROM profile")
    assert row["counters"]["product_view"] == 3


async def test_a_record_without_a_bottom_stays(world: World, log: PostgresLog) -> None:
    await world.send(await poison(world))
    await world.execute("UPDATE dead_letter SET value = $1", b'{"v":1,"properties":{"a":' + b"[" * 100_000)
    async with world.database.across() as connection:
        (letter,) = await list_dead_letters(connection, None, 10)
        assert await replay(connection, log, None, [letter.id]) == []
        with pytest.raises(Refused):
            await fix(connection, None, letter.id, put={"type": "track"}, drop=[], at=world.clock())


async def test_what_the_log_does_not_take_stays(world: World, log: PostgresLog) -> None:
    await world.send(await poison(world))
    await world.execute("UPDATE dead_letter SET value = replace(convert_from(value, 'UTF8'), 'dance', 'track')::bytea")
    await log.close()
    async with world.database.across() as connection:
        (letter,) = await list_dead_letters(connection, None, 10)
        with pytest.raises(LogUnavailable):
            await replay(connection, log, None, [letter.id])
        assert await count_dead_letters(connection, None) == 1


@pytest.mark.parametrize("path", ["subject", "workspace", "aliases", "sealed.traits.email", "", "properties..x"])
async def test_whose_event_it_is_cannot_be_changed(world: World, path: str) -> None:
    with pytest.raises(Refused, match="may not be changed"):
        corrected(await poison(world), {path: "x"}, [])


async def test_a_correction_must_make_it_an_event(world: World) -> None:
    with pytest.raises(Refused, match="no event"):
        corrected(await poison(world), {"name": "other"}, [])
    with pytest.raises(Refused, match="no JSON"):
        corrected(b"\xff", {"name": "other"}, [])
