import asyncio
from collections.abc import Collection
from uuid import UUID, uuid4

import pytest

from domain.errors import StoreUnavailable
from gateway.gathering import Gathering

WORKSPACE = uuid4()


class Oracle:
    """Answers with what it was asked, once it may."""

    def __init__(self) -> None:
        self.asked: list[tuple[UUID, list[str]]] = []
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None

    async def ask(self, workspace: UUID, keys: Collection[str]) -> frozenset[str]:
        self.asked.append((workspace, list(keys)))
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return frozenset(keys)


async def started(oracle: Oracle, questions: int) -> None:
    async with asyncio.timeout(60):
        while len(oracle.asked) < questions:
            await asyncio.sleep(0)


async def test_those_who_come_meanwhile_share_the_next_question() -> None:
    oracle = Oracle()
    gathering = Gathering(oracle.ask)
    first = asyncio.create_task(gathering.ask(WORKSPACE, ["a"]))
    await started(oracle, 1)
    later = [asyncio.create_task(gathering.ask(WORKSPACE, keys)) for keys in (["a", "b"], ["c"], ["b"])]
    elsewhere = asyncio.create_task(gathering.ask(uuid4(), ["a"]))
    await started(oracle, 2)
    oracle.may_answer.set()
    assert await first == {"a"}
    assert await asyncio.gather(*later) == [{"a", "b", "c"}] * 3
    assert await elsewhere == {"a"}
    assert sorted(keys for _, keys in oracle.asked) == [["a"], ["a"], ["a", "b", "c"]]


async def test_all_hear_of_a_failure_and_the_next_question_is_asked() -> None:
    oracle = Oracle()
    gathering = Gathering(oracle.ask)
    oracle.may_answer.set()
    oracle.error = StoreUnavailable()
    answers = await asyncio.gather(*(gathering.ask(WORKSPACE, ["a"]) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in answers] == [StoreUnavailable] * 3
    oracle.error = None
    assert await gathering.ask(WORKSPACE, ["a"]) == {"a"}


async def test_who_gives_up_takes_nobody_along() -> None:
    oracle = Oracle()
    gathering = Gathering(oracle.ask)
    impatient = asyncio.create_task(gathering.ask(WORKSPACE, ["a"]))
    patient = asyncio.create_task(gathering.ask(WORKSPACE, ["b"]))
    await started(oracle, 1)
    impatient.cancel()
    oracle.may_answer.set()
    assert await patient == {"a", "b"}
    assert impatient.cancelled() or impatient.cancelling()


async def test_a_question_that_hangs_does_not_hold_up_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.gathering._HELD_UP_SECONDS", 0.0)
    oracle = Oracle()
    gathering = Gathering(oracle.ask)
    hung = asyncio.create_task(gathering.ask(WORKSPACE, ["a"]))
    await started(oracle, 1)
    after = asyncio.create_task(gathering.ask(WORKSPACE, ["b"]))
    await started(oracle, 2)
    oracle.may_answer.set()
    assert list(await asyncio.gather(hung, after)) == [{"a"}, {"b"}]


async def test_one_question_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.gathering._MOST_KEYS", 3)
    oracle = Oracle()
    oracle.may_answer.set()
    gathering = Gathering(oracle.ask)
    await asyncio.gather(*(gathering.ask(WORKSPACE, keys) for keys in (["a", "b"], ["c"], ["d"], ["e", "f", "g", "h"])))
    assert [keys for _, keys in oracle.asked] == [["a", "b", "c"], ["d"], ["e", "f", "g", "h"]]
