"""Consumers of one group share the partitions, and take over from one another."""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from domain.errors import LogUnavailable
from stores.eventlog.port import EventLog, TopicSpec
from stores.eventlog.postgres import PostgresLog
from stores.postgres import Database
from tests.patience import soonest
from tests.stores.eventlog.books import (
    Books,
    Opener,
    from_the_beginning,
    poll_until,
    records,
)

pytestmark = pytest.mark.services

ROOT = Path(__file__).resolve().parents[3]


async def test_two_members_share_and_the_other_takes_over(open_one: Opener, topic: str) -> None:
    log, other = await open_one(), await open_one()
    books = Books()
    async with log.consume(topic, "shared", books.start) as stays:
        async with other.consume(topic, "shared", books.start) as leaves:
            await poll_until(lambda: len(stays.assigned) == len(leaves.assigned) == 2, stays, leaves)
            assert not stays.assigned & leaves.assigned
            await log.append(topic, records(100))
            await asyncio.gather(books.keep(stays, 100), books.keep(leaves, 100))
        await poll_until(lambda: len(stays.assigned) == 4, stays)
        await log.append(topic, records(100, tag="later-"))
        await books.keep(stays, 200)

    assert set(books.applied.values()) == {1}


async def test_a_member_killed_leaves_its_partitions_to_the_others(
    log: EventLog, topic: str, store: tuple[str, str]
) -> None:
    books, bar = Books(), 3 if store[0] == "postgres" else 15
    async with log.consume(topic, "bereft", books.start) as stays:

        async def bereave(number: int) -> float:
            member = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.stores.eventlog.member", *store, topic, "bereft",
                stdout=asyncio.subprocess.PIPE, cwd=ROOT,
            )  # fmt: skip
            try:
                assert member.stdout is not None
                await poll_until(lambda: len(stays.assigned) == 4, stays)
                joined = asyncio.create_task(member.stdout.readline())
                await poll_until(lambda: joined.done() and len(stays.assigned) == 2, stays)
                theirs = {int(partition) for partition in joined.result().split()}
                assert theirs == set(range(4)) - stays.assigned
            finally:
                member.kill()
                await member.wait()
            began = time.monotonic()
            await log.append(topic, records(100, tag=f"{number}-"))
            await books.keep(stays, 100 * (number + 1))
            return time.monotonic() - began

        assert await soonest(bereave, bar) < bar
    assert set(books.applied.values()) == {1}


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_a_member_that_is_frozen_leaves_its_partitions_to_the_others(
    open_one: Opener, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.postgres.LIVELY", "SET idle_session_timeout = '1s'")
    log, other = await open_one(), await open_one()
    books = Books()
    async with log.consume(topic, "shared", books.start) as stays, other.consume(topic, "shared", books.start) as hangs:
        await poll_until(lambda: len(stays.assigned) == len(hangs.assigned) == 2, stays, hangs)
        await log.append(topic, records(100))
        await books.keep(stays, 100)
        await poll_until(lambda: len(stays.assigned) == 4, stays)

        with pytest.raises(LogUnavailable):
            await hangs.next_batches(10, 0.1)
        await poll_until(lambda: len(stays.assigned) == len(hangs.assigned) == 2, stays, hangs)
    assert set(books.applied.values()) == {1}


@pytest.mark.parametrize("members", [1, 2, 3, 5])
async def test_members_differ_by_one_partition_at_most(database_url: str, members: int) -> None:
    async with AsyncExitStack() as stack:
        database = await Database.open(database_url, role="worker")
        stack.push_async_callback(database.close)
        log = PostgresLog(database)
        stack.push_async_callback(log.close)
        await log.ensure_topics({"shared": TopicSpec()})
        consumers = [
            await stack.enter_async_context(log.consume("shared", "group", from_the_beginning)) for _ in range(members)
        ]
        even = sorted(4 // members + (rank < 4 % members) for rank in range(members))

        await poll_until(lambda: sorted(len(one.assigned) for one in consumers) == even, *consumers)

    assert sum(even) == 4
