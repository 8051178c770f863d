"""How soon is a list of trending items answered, with 100,000 items in the shop?"""

import time

from bench.client import Connection, pace, post
from bench.figure import Figure, quantile
from bench.house import open_database, open_house

ITEMS = 100_000
VIEWS = 200_000
A_SECOND = 100
REQUESTS = 400


async def run() -> list[Figure]:
    """Store views, ask once for the list to be made, then steadily."""
    async with open_house() as house, house.serve() as gateway:
        async with open_database(house) as database, database.across() as connection:
            await connection.execute(
                """
                INSERT INTO event (workspace_id, message_id, subject_id, type, name, at, received_at, properties,
                    traits, context, sealed, purposes)
                SELECT $1, number::text, gen_random_uuid(), 'track', 'product_view', now(), now(),
                    jsonb_build_object('product_id', 'sku-' || number % $2::int, 'category', 'coats'),
                    '{}', '{}', '{}', '{analytics}'
                FROM generate_series(1, $3::int) AS number
                """,
                house.workspace,
                ITEMS,
                VIEWS,
            )
            await connection.execute("ANALYZE event")
        ask = post("/recommend", b'{"customer_id":"1"}', authorization=f"Bearer {house.secret_key}")
        connected = await Connection.open(gateway.port)
        started = time.perf_counter()
        await connected.ask(ask)
        made = time.perf_counter() - started
        connected.close()
        waits = [wait * 1e3 for _, wait in await pace(gateway.port, [ask] * REQUESTS, A_SECOND, b'"trending"')]
    return [
        Figure(f"p99 of the answer, {A_SECOND} a second", quantile(waits, 0.99), "ms", at_most=20),
        Figure("p50", quantile(waits, 0.5), "ms"),
        Figure("making the list anew, every 30 s", made * 1e3, "ms"),
    ]
