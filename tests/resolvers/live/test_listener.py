"""What may wait for a slow subscriber, and what may not be lost with the rest."""

from uuid import uuid4

from resolvers.live.listener import MOST_WAITING, Agreed, Closed, Listener, Overflowed, Restored, Wanted


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
