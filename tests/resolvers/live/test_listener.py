"""What may wait for a slow subscriber, and what may not be lost with the rest."""

from uuid import uuid4

from domain.clock import utc_now
from domain.outcome import Outcome
from resolvers.live.feed import Watcher
from resolvers.live.listener import MOST_WAITING, Agreed, Closed, Listener, Marked, Overflowed, Restored, Room, Wanted
from stores.feed import FeedEntry


async def _all(listener: Listener) -> list[object]:
    listener.close()
    heard: list[object] = []
    while not isinstance(last := await listener.take(), Closed):
        heard.append(last)
    return heard


async def test_a_full_queue_gives_way_to_the_word_that_something_was_lost() -> None:
    listener = Listener(Wanted(uuid4()))
    for _ in range(MOST_WAITING + 1):
        listener.put(Agreed())
    assert await _all(listener) == [Overflowed(), Agreed()]


async def test_that_the_database_was_restored_outlives_a_full_queue() -> None:
    listener = Listener(Wanted(uuid4()))
    listener.put(Restored())
    for _ in range(2 * MOST_WAITING):
        listener.put(Agreed())
    heard = await _all(listener)
    assert heard[0] == Restored()
    assert len(heard) <= MOST_WAITING


async def test_what_comes_after_the_end_does_not_take_its_place() -> None:
    listener = Listener(Wanted(uuid4()))
    listener.close()
    for _ in range(MOST_WAITING):
        listener.put(Agreed())
    assert isinstance(await listener.take(), Closed)


async def test_what_waits_for_one_connection_is_bounded_over_all_its_subscriptions() -> None:
    room, told = Room(10), list[str]()
    listeners = [Listener(Wanted(uuid4()), room, lambda: told.append("overflowed")) for _ in range(5)]
    for listener in listeners:
        for _ in range(3):
            listener.put(Agreed())
    # Without room, the last change waits with the word that others were lost.
    assert [len(listener._waiting) for listener in listeners] == [3, 3, 3, 2, 2]
    assert [await listeners[-1].take(), await listeners[-1].take()] == [Overflowed(), Agreed()]
    assert len(told) == 2 + 3


async def test_who_leaves_gives_its_room_back() -> None:
    room = Room(10)
    staying, leaving = Listener(Wanted(uuid4()), room), Listener(Wanted(uuid4()), room)
    for _ in range(4):
        leaving.put(Agreed())
    staying.put(Marked(None))
    staying.put(Marked(None))
    assert room.left == 5
    await staying.take()
    leaving.empty()
    assert room.left == 10


async def test_a_feed_that_nobody_reads_takes_its_part_of_the_room_and_no_more() -> None:
    room, entry = Room(10), FeedEntry(utc_now(), "m", Outcome.ACCEPTED, None, "name", None, None)
    first, second = Watcher(room), Watcher(room)
    for watcher in (first, second):
        for _ in range(20):
            watcher.put(entry)
    assert (len(first._waiting), len(second._waiting), room.left) == (10, 1, -1)
    first.empty()
    second.empty()
    assert room.left == 10
