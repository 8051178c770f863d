"""What a batch does to the store, and what no batch may do twice."""

from datetime import timedelta
from uuid import uuid4

from domain.event import CallType, encode_event
from tests.fixtures.world import NOON, Sent, World

THREE_VIEWS = {"type": "count", "event": "view", "op": ">=", "n": 3, "window": "24h"}
ANN = ("user_id:ann", "anonymous_id:a1")


async def test_an_event_makes_a_profile_with_history_traits_and_counters(world: World) -> None:
    await world.send(
        Sent(ANN, type=CallType.IDENTIFY, traits={"plan": "gold"}, sealed={"traits.email": b"\x01"}),
        Sent(ANN, "purchase", at=NOON - timedelta(hours=1)),
    )
    (profile,) = await world.fetch("SELECT * FROM profile")
    assert str(profile["id"]) == await world.profile_of("user_id:ann") == await world.profile_of("anonymous_id:a1")
    assert profile["traits"]["plan"]["v"] == "gold"
    assert profile["sealed"]["email"]["frame"] == "AQ=="
    assert profile["counters"] == {"identify": 1, "purchase": 1}
    assert (profile["first_seen_at"], profile["last_seen_at"]) == (NOON - timedelta(hours=1), NOON)
    assert profile["version"] == 1
    assert len(await world.fetch("SELECT FROM event")) == 2


async def test_a_window_is_entered_by_events_and_left_by_time(world: World) -> None:
    await world.save_segment("fans", THREE_VIEWS)
    await world.send(*(Sent(ANN, at=NOON - timedelta(hours=hours)) for hours in (1, 3)))
    assert not await world.members("fans")
    await world.send(Sent(ANN, message_id="third"))
    assert await world.members("fans") == {await world.profile_of("user_id:ann")}
    (membership,) = await world.fetch("SELECT * FROM membership")
    assert membership["expires_at"] == NOON + timedelta(hours=21)

    world.clock.advance(hours=21, microseconds=-1)
    assert await world.timers.fire() == 0
    assert await world.members("fans")
    world.clock.advance(microseconds=1)
    await world.timers.fire()
    assert not await world.members("fans")
    changes = await world.fetch("SELECT kind, at, cause, profile_version FROM segment_change ORDER BY id")
    assert [tuple(change) for change in changes] == [
        ("entered", NOON, {"event": "third"}, 2),
        ("exited", world.clock(), {"timer": world.clock().isoformat()}, 3),
    ]


async def test_a_negative_condition_holds_a_newcomer_at_once(world: World) -> None:
    await world.save_segment("quiet", {"type": "count", "event": "purchase", "op": "==", "n": 0, "window": "1h"})
    await world.send(Sent(ANN))
    assert await world.members("quiet")
    await world.send(Sent(ANN, "purchase"))
    assert not await world.members("quiet")
    world.clock.advance(hours=1)
    await world.timers.fire()
    assert await world.members("quiet")


async def test_repeats_change_nothing(world: World) -> None:
    await world.save_segment("fans", THREE_VIEWS)
    twice = Sent(ANN, message_id="m1")
    batch = await world.batch([twice, twice, Sent(ANN, message_id="m2")])
    await world.builder.build([batch])
    await world.builder.build([batch])
    await world.send(twice)
    await world.send(Sent(ANN, message_id="m2"), partition=1)
    assert not await world.members("fans")
    assert len(await world.fetch("SELECT FROM event")) == 2
    (profile,) = await world.fetch("SELECT counters, version FROM profile")
    assert profile["counters"] == {"view": 2}
    assert profile["version"] == 1


async def test_a_poisonous_record_blocks_nobody(world: World) -> None:
    await world.send(
        Sent(ANN, message_id="m1"),
        b"not json",
        b'{"v":1,"workspace":"canary"}',
        Sent(ANN, message_id="m2", properties={"text": "a\0b"}),
        Sent(ANN, message_id="m3", name="\0"),
        Sent(ANN, message_id="m4"),
    )
    assert {row["message_id"] for row in await world.fetch("SELECT message_id FROM event")} == {"m1", "m4"}
    letters = await world.fetch('SELECT "offset", reason FROM dead_letter ORDER BY "offset"')
    assert [letter["offset"] for letter in letters] == [1, 2, 3, 4]
    assert not any("canary" in letter["reason"] for letter in letters)
    (offset,) = await world.fetch("SELECT next_offset FROM consumer_offset")
    assert offset["next_offset"] == 6


async def test_a_record_without_a_bottom_blocks_nobody(world: World) -> None:
    bottomless = b'{"v":1,"properties":{"a":' + b"[" * 100_000
    await world.send(Sent(ANN, message_id="m1"), bottomless, Sent(ANN, message_id="m2"))
    assert {row["message_id"] for row in await world.fetch("SELECT message_id FROM event")} == {"m1", "m2"}
    (letter,) = await world.fetch("SELECT reason FROM dead_letter")
    assert letter["reason"] == "not an event: the whole record"


async def test_a_poisonous_record_is_put_aside_in_the_workspace_that_it_names(world: World) -> None:
    poison = encode_event(await world.protect(Sent(ANN))).replace(b'"type":"track"', b'"type":"dance"')
    await world.send(
        poison,
        Sent(ANN, properties={"text": "a\0b"}),
        poison.replace(str(world.workspace).encode(), str(uuid4()).encode()),
        b'{"v":1,"workspace":"nonsense"}',
        b"not json",
        b'{"v":1,"properties":{"a":' + b"[" * 100_000,
    )
    letters = await world.fetch('SELECT workspace_id FROM dead_letter ORDER BY "offset"')
    assert [letter["workspace_id"] for letter in letters] == [world.workspace, world.workspace, None, None, None, None]


async def test_batches_of_several_partitions_are_built_together(world: World) -> None:
    early = await world.batch([Sent(ANN, message_id="m1"), Sent(ANN, message_id="m2")], 1)
    await world.builder.build([early])
    late = await world.batch([Sent(ANN, message_id="m3")], 2)
    await world.builder.build([late, early])
    (profile,) = await world.fetch("SELECT counters, version FROM profile")
    assert profile["counters"] == {"view": 3}
    assert profile["version"] == 2
    offsets = await world.fetch("SELECT partition, next_offset FROM consumer_offset ORDER BY partition")
    assert [tuple(each) for each in offsets] == [(1, early.next_offset), (2, late.next_offset)]


async def test_a_poisonous_record_in_one_partition_costs_the_others_nothing(world: World) -> None:
    poison = Sent(ANN, message_id="m2", properties={"text": "a\0b"})
    batches = [
        await world.batch([Sent(ANN, message_id="m1"), poison, b"not json", Sent(ANN, message_id="m3")], 3),
        await world.batch([Sent(ANN, message_id="m4")], 5),
    ]
    await world.builder.build(batches)
    await world.builder.build(batches)
    assert {row["message_id"] for row in await world.fetch("SELECT message_id FROM event")} == {"m1", "m3", "m4"}
    letters = await world.fetch('SELECT partition, "offset" FROM dead_letter ORDER BY "offset"')
    assert [tuple(letter) for letter in letters] == [(3, batches[0].records[place].offset) for place in (1, 2)]
    offsets = await world.fetch("SELECT partition, next_offset FROM consumer_offset ORDER BY partition")
    assert [tuple(each) for each in offsets] == [(batch.partition, batch.next_offset) for batch in batches]


async def test_strangers_are_put_aside(world: World) -> None:
    batch = await world.batch([Sent(ANN), Sent(("anonymous_id:b",))])
    await world.execute("DELETE FROM subject WHERE id IN (SELECT subject_id FROM alias WHERE kind = 'anonymous_id')")
    await world.builder.build([batch])
    letters = await world.fetch("SELECT reason, workspace_id FROM dead_letter")
    assert [tuple(letter) for letter in letters] == [("unknown subject", world.workspace)]
    assert len(await world.fetch("SELECT FROM event")) == 1


async def test_an_entry_and_an_exit_in_one_batch_are_both_told(world: World) -> None:
    await world.save_segment("once", {"type": "count", "event": "view", "op": "==", "n": 1, "window": "1h"})
    await world.save_segment("gold", {"type": "trait", "name": "plan", "op": "==", "value": "gold"})
    await world.send(
        Sent(ANN, type=CallType.IDENTIFY, traits={"plan": "gold"}, message_id="m1"),
        Sent(ANN, message_id="m2"),
        Sent(ANN, type=CallType.IDENTIFY, traits={"plan": "free"}, message_id="m3"),
        Sent(ANN, message_id="m4"),
        Sent(ANN, type=CallType.IDENTIFY, traits={"plan": "gold"}, message_id="m5"),
    )
    changes = await world.fetch("SELECT segment_key, kind, cause, profile_version FROM segment_change ORDER BY id")
    assert [(key, kind, cause["event"]) for key, kind, cause, _ in changes] == [
        ("gold", "entered", "m1"),
        ("once", "entered", "m2"),
        ("gold", "exited", "m3"),
        ("once", "exited", "m4"),
        ("gold", "entered", "m5"),
    ]
    versions = [version for *_, version in changes]
    assert versions == sorted(set(versions))
    (membership,) = await world.fetch("SELECT cause FROM membership")
    assert membership["cause"] == {"event": "m5"}
    (profile,) = await world.fetch("SELECT version FROM profile")
    assert profile["version"] == versions[-1]
