"""How many events does one builder process fold into profiles, with identity, traits and 100 segments?"""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry

from bench.figure import Figure
from bench.house import House, Process, open_database, open_house
from domain.alias import Alias, AliasKind
from domain.clock import utc_now
from domain.consent import Purpose
from domain.event import CallType, ProtectedEvent, encode_event
from domain.topics import EVENTS
from profiles.backfill import Backfill
from profiles.builder import GROUP
from profiles.metrics import BuildMetrics
from profiles.workshop import Workshop
from stores.eventlog.open import open_log
from stores.eventlog.port import Record
from stores.offsets import read_offsets
from stores.postgres import Database
from stores.subjects import Newcomer, enrol_subjects

PEOPLE = 1_000
EVENT_NAMES = [f"event_{number}" for number in range(20)]
SEGMENTS = 100
WARM_EVENTS = 8_000  # until everyone has been seen
TIMED_EVENTS = 24_000
SECONDS = 15.0
CHUNK = 1_000


async def run() -> list[Figure]:
    """Fill the log, let a builder loose on it, and time it from when everyone is known."""
    chance = random.Random(7)
    async with open_house() as house, open_database(house) as database:
        subjects = await prepare(database, house.workspace, chance)
        await fill(database, house, chance, subjects)
        async with house.build() as builder:
            rate, of_processor = await watch(database, builder)
        async with database.across() as connection:
            changes = await connection.fetchval("SELECT count(*) FROM segment_change")
            built = sum((await read_offsets(connection, GROUP, EVENTS)).values())
    return [
        Figure("built, exactly once", rate, "events/s", at_least=3_000),
        Figure("the same per second of the builder's processor time", of_processor, "events/s"),
        Figure("segment changes that an event brings about", changes / built),
    ]


async def watch(database: Database, builder: Process) -> tuple[float, float]:
    """Tell events per second, and per second of processor time, between the warm-up and the end."""
    begun, since, used = 0, 0.0, 0.0
    async with asyncio.timeout(120), database.across() as connection:
        while True:
            built = sum((await read_offsets(connection, GROUP, EVENTS)).values())
            now = time.perf_counter()
            if not begun and built >= WARM_EVENTS:
                begun, since, used = built, now, builder.processor_seconds()
            if built >= WARM_EVENTS + TIMED_EVENTS or (begun and now - since > SECONDS):
                timed = built - begun
                return timed / (now - since), timed / (builder.processor_seconds() - used)
            await asyncio.sleep(0.02)


async def prepare(database: Database, workspace: UUID, chance: random.Random) -> list[UUID]:
    """Make people and live segments."""
    newcomers = [Newcomer(alias(AliasKind.USER_ID, person), uuid4(), b"key") for person in range(PEOPLE)]
    async with database.across() as connection:
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
    await Backfill(Workshop(database, utc_now, BuildMetrics(CollectorRegistry()))).finish_all()
    return [standing.subjects[newcomer.alias].id for newcomer in newcomers]


async def fill(database: Database, house: House, chance: random.Random, subjects: list[UUID]) -> None:
    """Append all events to the log."""
    log = await open_log(None, database)
    for _ in range(0, WARM_EVENTS + TIMED_EVENTS, CHUNK):
        records = [make_record(chance, house.workspace, subjects) for _ in range(CHUNK)]
        assert not any(await log.append(EVENTS, records))
    await log.close()


def make_record(chance: random.Random, workspace: UUID, subjects: list[UUID]) -> Record:
    """One event of someone: one in twenty states traits."""
    person, now = chance.randrange(PEOPLE), datetime.now(UTC)
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
    return Record(subjects[person].bytes, encode_event(event))


def definition(chance: random.Random) -> dict[str, Any]:
    """A segment of one to three conditions, most of them counts."""
    leaves: list[dict[str, Any]] = []
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.7:
            event, window = chance.choice(EVENT_NAMES), chance.choice(["10m", "1h", "24h", "7d"])
            leaves.append({"type": "count", "event": event, "op": ">=", "n": chance.randint(1, 5), "window": window})
        else:
            leaves.append({"type": "trait", "name": "plan", "op": "==", "value": chance.choice(["gold", "silver"])})
    return {"type": chance.choice(["and", "or"]), "children": leaves}


def alias(kind: AliasKind, person: int) -> Alias:
    """A made-up blind index."""
    return Alias(kind, 1, sha256(f"{kind}{person}".encode()).digest())
