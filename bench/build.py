"""Events per second that one builder takes into Postgres, with identity, traits and 100 segments.

python bench/build.py [--profile]
"""

import asyncio
import cProfile
import pstats
import random
import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry

from domain.alias import Alias, AliasKind
from domain.clock import utc_now
from domain.consent import Purpose
from domain.event import CallType, ProtectedEvent, encode_event
from domain.topics import EVENTS
from gateway.build import collect_rarely
from profiles.backfill import Backfill
from profiles.builder import Builder
from profiles.metrics import BuildMetrics
from profiles.processor import LANES
from stores.embedded.postgres import EmbeddedPostgres
from stores.eventlog.port import Batch, Stored
from stores.migrate import migrate
from stores.postgres import Database
from stores.subjects import Newcomer, enrol_subjects

PEOPLE = 1_000
EVENT_NAMES = [f"event_{number}" for number in range(20)]
SEGMENTS = 100
BATCH = 500
WARM_EVENTS = 10_000
EVENTS_TO_BUILD = 30_000


def definition(chance: random.Random) -> dict[str, Any]:
    leaves: list[dict[str, Any]] = []
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.7:
            event, window = chance.choice(EVENT_NAMES), chance.choice(["10m", "1h", "24h", "7d"])
            leaves.append({"type": "count", "event": event, "op": ">=", "n": chance.randint(1, 5), "window": window})
        else:
            leaves.append({"type": "trait", "name": "plan", "op": "==", "value": chance.choice(["gold", "silver"])})
    return {"type": chance.choice(["and", "or"]), "children": leaves}


def alias(kind: AliasKind, person: int) -> Alias:
    return Alias(kind, 1, sha256(f"{kind}{person}".encode()).digest())


def make_batches(
    chance: random.Random, workspace: UUID, subjects: list[UUID], events: int, *, offset: int = 0
) -> list[list[Batch]]:
    """Spread events over the lanes of one process, each person in one lane, as the log does."""
    per_lane = events // LANES
    return [
        [
            make_batch(chance, workspace, subjects, lane, (offset // LANES) + start)
            for start in range(0, per_lane, BATCH)
        ]
        for lane in range(LANES)
    ]


def make_batch(chance: random.Random, workspace: UUID, subjects: list[UUID], lane: int, offset: int) -> Batch:
    records = []
    now = datetime.now(UTC)
    for number in range(BATCH):
        person = chance.randrange(PEOPLE // LANES) * LANES + lane
        identifies = chance.random() < 0.05
        event = ProtectedEvent(
            workspace=workspace,
            message_id=str(uuid4()),
            subject=subjects[person],
            type=CallType.IDENTIFY if identifies else CallType.TRACK,
            name="identify" if identifies else chance.choice(EVENT_NAMES),
            at=now - timedelta(seconds=chance.random() * 60),
            received_at=now,
            aliases=(alias(AliasKind.USER_ID, person), alias(AliasKind.ANONYMOUS_ID, person)),
            purposes=(Purpose.ANALYTICS, Purpose.PERSONALIZATION),
            properties={"product_id": f"p{chance.randrange(1000)}", "category": "shoes", "price": 19.9},
            traits={"plan": ["gold", "silver", "free"][person % 3], "age": 30} if identifies else {},
            context={"page": {"path": "/products/shoes", "title": "Shoes " * 20}, "locale": "de-DE", "os": "Linux"},
        )
        records.append(Stored(lane, offset + number, b"", encode_event(event), now))
    return Batch(EVENTS, lane, tuple(records))


async def prepare(database: Database, workspace: UUID, chance: random.Random) -> list[UUID]:
    async with database.across() as connection:
        await connection.execute(
            "INSERT INTO workspace (id, name, wrapped_key, created_at) VALUES ($1, 'bench', '', now())", workspace
        )
        newcomers = [Newcomer(alias(AliasKind.USER_ID, person), uuid4(), b"key") for person in range(PEOPLE)]
        standing = await enrol_subjects(connection, workspace, newcomers, utc_now())
        for number in range(SEGMENTS):
            await connection.execute(
                """
                INSERT INTO segment (workspace_id, id, key, name, version, definition, status, created_at, updated_at)
                VALUES ($1, $2, $3, $3, 1, $4, 'building', now(), now())
                """,
                workspace,
                uuid4(),
                f"segment_{number}",
                definition(chance),
            )
    await Backfill(database, utc_now, BuildMetrics(CollectorRegistry())).finish_all()
    return [standing.subjects[newcomer.alias].id for newcomer in newcomers]


async def run(url: str, profiler: cProfile.Profile | None) -> None:
    chance, workspace = random.Random(7), uuid4()
    database = await Database.open(url, role="worker")
    subjects = await prepare(database, workspace, chance)
    builder = Builder(database, utc_now, BuildMetrics(CollectorRegistry()))
    new = make_batches(chance, workspace, subjects, WARM_EVENTS)
    start = perf_counter()
    await asyncio.gather(*(build(builder, lane) for lane in new))
    print(f"{WARM_EVENTS / (perf_counter() - start):,.0f} events/s while everyone is new")

    known = make_batches(chance, workspace, subjects, EVENTS_TO_BUILD, offset=WARM_EVENTS)
    start, start_cpu = perf_counter(), process_time()
    if profiler:
        profiler.enable()
    await asyncio.gather(*(build(builder, lane) for lane in known))
    if profiler:
        profiler.disable()
    rate = EVENTS_TO_BUILD / (perf_counter() - start)
    own = (process_time() - start_cpu) / EVENTS_TO_BUILD * 1e6
    async with database.across() as connection:
        changes = await connection.fetchval("SELECT count(*) FROM segment_change")
        members = await connection.fetchval("SELECT count(*) FROM membership")
    await database.close()
    print(f"{rate:,.0f} events/s with {SEGMENTS} segments, {own:,.0f} µs of our own CPU per event")
    print(
        f"{changes / (WARM_EVENTS + EVENTS_TO_BUILD):.2f} changes per event, {members / PEOPLE:.0f} segments per person"
    )


async def build(builder: Builder, batches: list[Batch]) -> None:
    for batch in batches:
        await builder.build(batch)


async def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="tagway-bench-"))
    folder.chmod(0o711)  # noqa: ASYNC240 - nothing else runs yet
    server = EmbeddedPostgres(folder / "postgres")
    profiler = cProfile.Profile() if "--profile" in sys.argv else None
    collect_rarely()
    try:
        url = await server.start()
        await migrate(url)
        await run(url, profiler)
    finally:
        await server.stop()
        shutil.rmtree(folder)
    if profiler:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(35)


if __name__ == "__main__":
    asyncio.run(main())
