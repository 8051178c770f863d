"""What the builder passes over: events of the erased, and of those who said no before the event came."""

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from domain.consent import Consent, Purpose, State
from domain.event import encode_event
from domain.topics import EVENTS
from stores.consents import Statement, store_consents
from stores.erasure import erase_person
from stores.eventlog.port import Batch, Stored
from stores.persons import find_person
from tests.fixtures.world import NOON, Sent, World


async def erase(world: World, who: str) -> None:
    (named,) = Sent((who,)).aliases
    async with world.database.across() as connection, connection.transaction():
        found = await find_person(connection, world.workspace, aliases=[named])
        await erase_person(connection, world.workspace, found, request=None, at=world.clock(), closing_key=b"key")


async def say(world: World, who: str, state: State, *, minutes: int, purpose: Purpose = Purpose.ANALYTICS) -> None:
    subject = (await world.protect(Sent((who,)))).subject
    consent = Consent(purpose, state, "test", NOON + timedelta(minutes=minutes))
    async with world.database.across() as connection:
        await store_consents(connection, world.workspace, [Statement(subject, consent)])


async def built(world: World) -> list[str]:
    rows = await world.fetch("SELECT name FROM event WHERE workspace_id = $1 ORDER BY name", world.workspace)
    return [row["name"] for row in rows]


async def test_events_of_erased_people_do_nothing_and_are_no_dead_letters(world: World) -> None:
    await world.send(Sent(("user_id:ann", "anonymous_id:a")))
    waiting = await world.batch([Sent(("user_id:ann",)), Sent(("anonymous_id:a",)), Sent(("user_id:bob",), "stays")])
    await erase(world, "user_id:ann")
    await world.builder.build([waiting])
    assert await built(world) == ["stays"]
    assert await world.fetch("SELECT FROM dead_letter WHERE workspace_id = $1", world.workspace) == []
    assert world.metrics.forgotten._value.get() == 2


async def test_one_suppressed_identifier_among_others_drops_the_event(world: World) -> None:
    await world.send(Sent(("anonymous_id:a",)))
    await erase(world, "anonymous_id:a")
    await world.send(Sent(("user_id:carl", "anonymous_id:a"), "with"), Sent(("user_id:carl",), "without"))
    assert await built(world) == ["without"]
    assert await world.profile_of("anonymous_id:a") == ""


async def test_an_emptied_record_is_passed_over(world: World) -> None:
    event = encode_event(await world.protect(Sent(("user_id:ann",), "stays")))
    records = (Stored(0, 0, b"", b"", NOON), Stored(0, 1, b"", event, NOON), Stored(0, 2, b"", b"", NOON))
    await world.builder.build([Batch(EVENTS, 0, records)])
    assert await built(world) == ["stays"]
    assert await world.fetch("SELECT FROM dead_letter") == []
    (row,) = await world.fetch("SELECT next_offset FROM consumer_offset")
    assert row["next_offset"] == 3


async def test_what_was_refused_before_it_came_is_not_built(world: World) -> None:
    await say(world, "user_id:ann", State.GRANTED, minutes=0)
    waiting = await world.batch(
        [
            Sent(("user_id:ann",), "before", received_at=NOON + timedelta(minutes=1)),
            Sent(("user_id:ann",), "after", received_at=NOON + timedelta(minutes=3)),
        ]
    )
    await say(world, "user_id:ann", State.WITHDRAWN, minutes=2)
    await world.builder.build([waiting])
    assert await built(world) == ["before"]
    assert world.metrics.refused._value.get() == 1


async def test_a_purpose_refused_meanwhile_is_taken_off(world: World) -> None:
    event = await world.protect(Sent(("user_id:ann",), received_at=NOON + timedelta(minutes=3)))
    event = msgspec.structs.replace(event, purposes=(Purpose.ANALYTICS, Purpose.PERSONALIZATION))
    await say(world, "user_id:ann", State.DENIED, minutes=2, purpose=Purpose.PERSONALIZATION)
    await world.send(encode_event(event))
    (row,) = await world.fetch("SELECT purposes FROM event WHERE workspace_id = $1", world.workspace)
    assert row["purposes"] == ["analytics"]


async def test_latecomers_are_taken_out_of_the_log_again(world: World) -> None:
    forgotten: set[bytes] = set()

    async def forget(keys: Iterable[bytes]) -> None:
        forgotten.update(keys)

    world.builder._forget_records = forget
    await world.send(Sent(("user_id:ann",)))
    event = await world.protect(Sent(("user_id:ann",)))
    await erase(world, "user_id:ann")
    records = (Stored(1, 0, b"key", encode_event(event), NOON),)
    await world.builder.build([Batch(EVENTS, 1, records)])
    assert forgotten == {b"key"}
