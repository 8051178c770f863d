"""How long does it take to learn from a million interactions, and how much memory?"""

import asyncio
import os
import sys
import time
from typing import Final

from bench.figure import Figure
from bench.house import House, open_database, open_house
from gateway.settings import child_environment

INTERACTIONS: Final = 1_000_000
PEOPLE: Final = 40_000
ITEMS: Final = 5_000
TASTES: Final = 50
AT_MOST_SECONDS: Final = 1_800
_PEOPLE: Final = """
    WITH person AS (
        INSERT INTO profile (workspace_id, id, first_seen_at, last_seen_at)
        SELECT $1, gen_random_uuid(), now(), now() FROM generate_series(1, $2) RETURNING id
    ) INSERT INTO subject SELECT $1, id, id, '', now() FROM person
"""
_VIEWS: Final = """
    INSERT INTO event (workspace_id, message_id, subject_id, type, name, at, received_at, properties, traits, context,
        sealed, purposes)
    SELECT $1, 'm' || view.n, person.id, 'track', 'product_view', view.at, view.at,
        jsonb_build_object('product_id',
            'i' || person.number % $3 + $3 * floor(power(random(), 2) * ($4::int / $3))::int),
        '{}', '{}', '{}', '{personalization}'
    FROM (SELECT n, n % $2 AS number, now() - random() * interval '30 days' AS at
          FROM generate_series(0, $5::int - 1) AS n) AS view
    JOIN (SELECT id, row_number() OVER () - 1 AS number FROM subject WHERE workspace_id = $1) AS person
        USING (number)
"""


async def run() -> list[Figure]:
    """Store what people of many tastes viewed, and train on it as a user does."""
    async with open_house() as house:
        async with open_database(house) as database, database.across() as connection:
            await connection.execute(_PEOPLE, house.workspace, PEOPLE)
            await connection.execute(_VIEWS, house.workspace, PEOPLE, TASTES, ITEMS, INTERACTIONS, timeout=600)
            await connection.execute("ANALYZE event, subject, profile")
        began = time.perf_counter()
        megabytes, processor = await asyncio.to_thread(_train, house)
        return [
            Figure("most memory at once", megabytes, "MB", at_most=2_000),
            Figure("from beginning to end", time.perf_counter() - began, "s"),
            Figure("processor time", processor, "s"),
        ]


def _train(house: House) -> tuple[float, float]:
    """Run `tagway train` to its end; return its resident megabytes at the most, and its seconds of processor time."""
    environment = child_environment(house.settings)
    command = [sys.executable, "-m", "gateway.cli.main", "train", "--workspace", str(house.workspace)]
    process = os.spawnve(os.P_NOWAIT, sys.executable, command, environment)
    _, status, used = os.wait4(process, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"the training ended with {code}")
    return used.ru_maxrss / 1024, used.ru_utime + used.ru_stime
