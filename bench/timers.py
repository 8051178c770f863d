"""Ten thousand people leave a segment at one instant: do the events of others wait for them?"""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry

from bench.build import PEOPLE, alias, make_record
from bench.figure import Figure, quantile
from bench.house import open_database, open_house
from domain.alias import AliasKind
from domain.clock import to_micros, utc_now
from domain.event import decode_event
from domain.topics import EVENTS
from profiles.backfill import Backfill
from profiles.metrics import BuildMetrics
from profiles.segments.leaf import CountLeaf
from profiles.segments.words import parse_text
from profiles.workshop import Workshop
from stores.definitions import Draft, create
from stores.eventlog.open import open_log
from stores.eventlog.port import EventLog
from stores.postgres import Connection, Database
from stores.subjects import Newcomer, enrol_subjects

LEAVING = 10_000
LIVE = PEOPLE
RULE = "count(view) in 30d >= 1"
QUIET_SECONDS = 5.0
EVERY_SECONDS = 0.05


async def run() -> list[Figure]:
    """Let a builder handle both, and time each live event from its append until it is stored."""
    chance = random.Random(7)
    async with open_house() as house, open_database(house) as database:
        newcomers = [Newcomer(alias(AliasKind.USER_ID, person), uuid4(), b"key") for person in range(LIVE)]
        async with database.across() as connection:
            standing = await enrol_subjects(connection, house.workspace, newcomers, utc_now())
        subjects = [standing.subjects[each.alias].id for each in newcomers]
        instant = utc_now() + timedelta(seconds=QUIET_SECONDS + 10)
        await crowd(database, house.workspace, instant)
        log = await open_log(None, database)
        async with house.build():
            # The first events find the builder starting up.
            await watch(database, log, house.workspace, chance, subjects, instant - timedelta(seconds=QUIET_SECONDS))
            quiet = await watch(database, log, house.workspace, chance, subjects, instant)
            done = asyncio.create_task(all_left(database, instant))
            busy: list[float] = []
            while not done.done():
                busy += await watch(database, log, house.workspace, chance, subjects, utc_now())
        await log.close()
    return [
        Figure("until the last of 10,000 has left", await done, "s"),
        Figure("a live event is stored, in quiet, p99", quantile(quiet, 0.99) * 1e3, "ms"),
        Figure("a live event is stored, meanwhile, p99", quantile(busy, 0.99) * 1e3, "ms"),
        Figure("how many times longer", quantile(busy, 0.99) / quantile(quiet, 0.99), at_most=5),
    ]


async def crowd(database: Database, workspace: UUID, instant: datetime) -> None:
    """Make members whose one view leaves its window at the instant."""
    node = parse_text(RULE)
    leaf = CountLeaf(node)  # type: ignore[arg-type]  # a rule that is one count
    ids = [uuid4() for _ in range(LEAVING)]
    draft = Draft("lately", None, None, {"type": "count", "event": "view", "op": ">=", "n": 1, "window": "30d"})
    async with database.workspace(workspace) as connection, connection.transaction():
        segment = await create(connection, uuid4(), draft, utc_now())
    await Backfill(Workshop(database, utc_now, BuildMetrics(CollectorRegistry()))).finish_all()
    async with database.across() as connection:
        await connection.execute(
            "INSERT INTO profile (workspace_id, id, first_seen_at, last_seen_at) SELECT $1, unnest($2::uuid[]), $3, $3",
            workspace,
            ids,
            instant,
        )
        await connection.execute(
            "INSERT INTO leaf_state SELECT $1, unnest($2::uuid[]), $3, ARRAY[$4::bigint], $5",
            workspace,
            ids,
            leaf.state,
            to_micros(instant) - leaf.window,
            instant,
        )
        await connection.execute(
            "INSERT INTO membership SELECT $1, $2, unnest($3::uuid[]), 1, $4, $5, '{}'",
            workspace,
            segment.id,
            ids,
            instant - timedelta(days=30),
            instant,
        )


async def watch(
    database: Database, log: EventLog, workspace: UUID, chance: random.Random, subjects: list[UUID], until: datetime
) -> list[float]:
    """Append an event now and then, at least one, and tell how long each took."""
    taken = []
    async with database.across() as connection:
        while True:
            record = make_record(chance, workspace, subjects)
            message, began = decode_event(record.value).message_id, time.perf_counter()
            assert not any(await log.append(EVENTS, [record]))
            async with asyncio.timeout(30):
                while not await built(connection, message):  # noqa: ASYNC110 - by another process
                    await asyncio.sleep(0.005)
            taken.append(time.perf_counter() - began)
            if datetime.now(UTC) >= until:
                return taken
            await asyncio.sleep(EVERY_SECONDS)


async def built(connection: Connection, message: str) -> bool:
    """Tell whether a message has been built."""
    return bool(await connection.fetchval("SELECT true FROM message_seen WHERE message_id = $1", message))


async def all_left(database: Database, instant: datetime) -> float:
    """Wait until nobody is a member, and tell how long after the instant that was."""
    async with asyncio.timeout(90), database.across() as connection:
        while await connection.fetchval("SELECT true FROM membership LIMIT 1"):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
    return (utc_now() - instant).total_seconds()
