"""The builder process on both logs: shared work, sudden death, and the same end state."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from domain.clock import utc_now
from domain.event import encode_event
from domain.topics import EVENTS
from gateway.brokers import read_brokers
from gateway.build import open_processor
from gateway.settings import Settings
from stores.embedded.valkey import EmbeddedValkey
from stores.eventlog.open import KEEP, open_log, topics
from stores.eventlog.port import EventLog, Record
from tests.fixtures.office import building
from tests.fixtures.world import Sent, World
from tests.patience import AT_ALL
from tests.profiles.crowd import SEGMENTS, check_equals_single_profiles, crowd

ROOT = Path(__file__).parents[2]
MASTER_KEY = "00" * 32
pytestmark = pytest.mark.services


@pytest.fixture(params=["postgres", "kafka"])
def settings(request: pytest.FixtureRequest, database_url: str, redis_url: str) -> Settings:
    kafka = request.getfixturevalue("kafka_bootstrap") if request.param == "kafka" else None
    return Settings(postgres_url=database_url, redis_url=redis_url, kafka_bootstrap=kafka, master_key=MASTER_KEY)


@pytest.fixture
async def log(settings: Settings, world: World) -> AsyncIterator[EventLog]:
    log = await open_log(read_brokers(settings), world.database)
    yield log
    await log.close()


async def append(world: World, log: EventLog, events: list[Sent]) -> None:
    protected = [await world.protect(event) for event in events]
    records = [Record(event.subject.bytes, encode_event(event)) for event in protected]
    assert await log.append(EVENTS, records) == [None] * len(records)


async def built(world: World, count: int) -> None:
    async with asyncio.timeout(AT_ALL):
        while len(await world.fetch("SELECT FROM event")) < count:
            await asyncio.sleep(0.05)


async def drained(world: World, log: EventLog) -> None:
    async with asyncio.timeout(AT_ALL):
        while True:
            rows = await world.fetch("SELECT partition, next_offset FROM consumer_offset")
            ends = {partition: end for partition, end in (await log.ends(EVENTS)).items() if end}
            if {row["partition"]: row["next_offset"] for row in rows} == ends:
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def builder_process(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAGWAY_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway.cli.main", "build"),
        cwd=ROOT,
        env=environment | settings.environment() | {"PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def make_anew(settings: Settings, log: EventLog) -> None:
    """Let a broker lose the events, as one whose disk was replaced."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([EVENTS])
        async with asyncio.timeout(AT_ALL):
            while EVENTS in await admin.list_topics():
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
    await log.ensure_topics(topics(KEEP))


async def save_segments(world: World) -> None:
    for key, each in SEGMENTS.items():
        await world.save_segment(key, each)


async def test_two_processors_share_the_log_and_drain(settings: Settings, world: World, log: EventLog) -> None:
    await save_segments(world)
    events = crowd(random.Random(11), people=6, count=150)
    stop = asyncio.Event()
    async with open_processor(settings, world.clock) as one, open_processor(settings, world.clock) as two:
        running = asyncio.gather(one.run(stop), two.run(stop))
        for start in range(0, len(events), 25):
            await append(world, log, events[start : start + 25])
        await built(world, len(events))
        stop.set()
        async with asyncio.timeout(AT_ALL):
            await running
    await check_equals_single_profiles(world, events)


async def test_a_log_that_takes_over_from_another_is_built_from_its_beginning(
    world: World, database_url: str, redis_url: str, kafka_bootstrap: str
) -> None:
    await save_segments(world)
    events = crowd(random.Random(5), people=6, count=80)
    for kafka, share in ((kafka_bootstrap, 40), (None, 80)):
        settings = Settings(
            postgres_url=database_url, redis_url=redis_url, kafka_bootstrap=kafka, master_key=MASTER_KEY
        )
        log = await open_log(read_brokers(settings), world.database)
        await append(world, log, events[share - 40 : share])
        stop = asyncio.Event()
        async with open_processor(settings, world.clock) as processor:
            running = asyncio.create_task(processor.run(stop))
            try:
                await built(world, share)
            finally:
                stop.set()
                await running
        await log.close()
    await check_equals_single_profiles(world, events)


@pytest.mark.parametrize("settings", ["kafka"], indirect=True)
@pytest.mark.parametrize("meanwhile", ["stopped", "running"])
async def test_a_log_that_was_made_anew_is_built_from_its_beginning(
    settings: Settings, world: World, log: EventLog, meanwhile: str
) -> None:
    def some(tag: str, count: int) -> list[Sent]:
        return [Sent(("user_id:ada",), message_id=f"{tag}-{number}") for number in range(count)]

    await append(world, log, some("before", 20))
    if meanwhile == "stopped":
        async with building(settings):
            await built(world, 20)
        await make_anew(settings, log)
    async with building(settings):
        if meanwhile == "running":
            await built(world, 20)
            await make_anew(settings, log)
        await append(world, log, some("after", 5))
        await built(world, 25)
        await append(world, log, some("later", 5))
        await built(world, 30)
    (profile,) = await world.fetch("SELECT counters FROM profile")
    assert profile["counters"] == {"view": 30}


@pytest.mark.parametrize("settings", ["postgres"], indirect=True)
async def test_a_redis_that_says_nothing_holds_up_no_batch(
    settings: Settings, world: World, log: EventLog, valkey_server: EmbeddedValkey
) -> None:
    async with building(settings):
        await append(world, log, [Sent(("user_id:ada",))])
        await built(world, 1)
        os.kill(valkey_server.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(15):
                for number in range(2, 12):
                    await append(world, log, [Sent(("user_id:ada",))])
                    await built(world, number)
        finally:
            os.kill(valkey_server.pid, signal.SIGCONT)


async def test_killing_a_builder_changes_nothing_in_the_end(settings: Settings, world: World, log: EventLog) -> None:
    await save_segments(world)
    events = crowd(random.Random(12), people=6, count=600, noon=utc_now())
    # Repeats on the log, as gateways write them when an acknowledgement was lost.
    for chunk in (*(events[start : start + 50] for start in range(0, 550, 50)), events[:50]):
        await append(world, log, chunk)
    for deaths in (1, 200, 400):
        async with builder_process(settings) as process:
            await built(world, deaths)
            process.kill()
            await process.wait()
    async with builder_process(settings) as process:
        await append(world, log, events[550:])
        await built(world, len(events))
        await drained(world, log)
        process.terminate()
        async with asyncio.timeout(AT_ALL):
            assert await process.wait() == 0
    await check_equals_single_profiles(world, events)


async def test_a_builder_tells_how_late_its_timers_are(settings: Settings, world: World) -> None:
    await world.send(Sent(("user_id:ada",)))
    stop = asyncio.Event()
    async with open_processor(settings) as processor:
        del processor._chores["timers"]  # type: ignore[attr-defined]  # the one that would look at it
        await world.execute(
            """
            INSERT INTO leaf_state (workspace_id, profile_id, leaf, stamps, due_at)
            SELECT workspace_id, id, 'leaf', '{}', now() - interval '10 minutes' FROM profile
            """
        )
        metrics = processor._chores["lateness"].__self__._metrics  # type: ignore[attr-defined]  # it is a method
        running = asyncio.create_task(processor.run(stop))
        async with asyncio.timeout(AT_ALL):
            while not (late := metrics.overdue._value.get()):
                await asyncio.sleep(0.02)
        stop.set()
        await running
    assert 600 <= late < 600 + AT_ALL
