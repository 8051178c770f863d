"""Batches are worked on side by side, those of one partition in their order and without a gap."""

import asyncio
from functools import partial

import pytest

from profiles.lanes import Lanes, open_lanes


class Scene:
    """Effects that end when they are told to."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Future[None]] = {}

    async def _effect(self, name: str) -> None:
        self.begun.append(name)
        self.ends[name] = asyncio.get_running_loop().create_future()
        await self.ends[name]

    def take(self, name: str, *partitions: int) -> None:
        self.lanes.take(partitions, partial(self._effect, name))

    async def settled(self) -> list[str]:
        """Return what has begun once everything that can has."""
        for _ in range(10):
            await asyncio.sleep(0)
        return self.begun


async def test_partitions_side_by_side_and_each_in_its_order() -> None:
    async with open_lanes(3) as lanes:
        scene = Scene(lanes)
        scene.take("a1", 0)
        scene.take("a2", 0)
        scene.take("b1", 1)
        assert await scene.settled() == ["a1", "b1"]
        scene.ends["b1"].set_result(None)
        await lanes.free()
        assert await scene.settled() == ["a1", "b1"]
        scene.ends["a1"].set_result(None)
        assert await scene.settled() == ["a1", "b1", "a2"]
        scene.ends["a2"].set_result(None)
        await lanes.finish()


async def test_batches_taken_together_wait_for_all_before_them_and_hold_up_all_after() -> None:
    async with open_lanes(4) as lanes:
        scene = Scene(lanes)
        scene.take("a", 0)
        scene.take("b", 1)
        scene.take("both", 0, 1)
        scene.take("then", 1)
        assert await scene.settled() == ["a", "b"]
        scene.ends["a"].set_result(None)
        assert await scene.settled() == ["a", "b"]
        scene.ends["b"].set_result(None)
        assert await scene.settled() == ["a", "b", "both"]
        scene.ends["both"].set_result(None)
        assert await scene.settled() == ["a", "b", "both", "then"]


async def test_no_more_than_so_many_at_once() -> None:
    async with open_lanes(2) as lanes:
        scene = Scene(lanes)
        await lanes.free()
        scene.take("a", 0)
        await lanes.free()
        scene.take("b", 1)
        waiting = asyncio.create_task(lanes.free())
        await scene.settled()
        assert not waiting.done()
        scene.ends["a"].set_result(None)
        await waiting


async def test_what_follows_a_failure_waits_to_be_read_anew() -> None:
    async with open_lanes(2) as lanes:
        scene = Scene(lanes)
        scene.take("a1", 0)
        scene.take("a2", 0)
        await scene.settled()
        scene.ends["a1"].set_exception(OSError("the store broke off"))
        with pytest.raises(OSError, match="broke off"):
            await lanes.finish()
        assert await scene.settled() == ["a1"]


async def test_who_leaves_gives_up_what_is_under_way() -> None:
    async with open_lanes(2) as lanes:
        scene = Scene(lanes)
        scene.take("a", 0)
        scene.take("then", 0)
        await scene.settled()
    assert scene.ends["a"].cancelled()
    assert scene.begun == ["a"]
