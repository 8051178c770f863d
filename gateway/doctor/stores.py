"""Whether the stores that the settings name answer, and agree on the time."""

from typing import Final

from domain.clock import utc_now
from gateway.brokers import read_brokers
from gateway.database import open_database
from gateway.doctor.finding import NOT_ASKED, Finding
from gateway.settings import Settings
from stores.embedded.binaries import find_postgres, find_valkey
from stores.migrate import pending
from stores.redis import healthy, open_redis
from stores.vitals import read_vitals

_SKEW_SECONDS: Final = 2.0
"""Beyond this, times of events and of consents from two machines no longer stand in their order."""


async def check_postgres(settings: Settings) -> str:
    """Log in, and compare the schema with this version's."""
    if settings.postgres_url is None:
        return f"embedded, {find_postgres(settings.postgres_program)}, not running"
    missing = await pending(settings.postgres_url)
    if missing:
        raise Finding(f"answers, but lacks {', '.join(missing)}: run `tagway migrate`")
    waiting = await pending(settings.postgres_url, after=True)
    if waiting:
        return f"answers, schema up to date; {', '.join(waiting)} waits for `tagway migrate --after`"
    return "answers, schema up to date"


async def check_redis(settings: Settings) -> str:
    """Log in, and write something that ends by itself."""
    if settings.redis_url is None:
        return f"embedded, {find_valkey(settings.valkey_program)}, not running"
    client = await open_redis(settings.redis_url)
    try:
        well = await healthy(client)
    finally:
        await client.aclose()
    if not well:
        raise Finding("answers, and does not take what it is given: it may be full, or a replica")
    return "answers"


async def check_event_log(settings: Settings) -> str:
    """Log in at each broker."""
    brokers = read_brokers(settings)
    if brokers is None:
        return "in Postgres"
    if refusals := await brokers.refusals():
        raise Finding("; ".join(refusals))
    return f"Kafka, {brokers.bootstrap} lets us in"


async def check_clocks(settings: Settings) -> str:
    """Compare the clocks of Postgres and Redis with ours."""
    if settings.postgres_url is None or settings.redis_url is None:
        return NOT_ASKED
    async with open_database(settings, connections=1) as database, database.across() as connection:
        vitals = await read_vitals(connection)
    redis = await open_redis(settings.redis_url)
    try:
        seconds, micros = await redis.time()
    finally:
        await redis.aclose()
    now = utc_now()
    skews = {
        "Postgres": (vitals.now - now).total_seconds(),
        "Redis": seconds + micros / 1e6 - now.timestamp(),
    }
    worst = max(skews, key=lambda name: abs(skews[name]))
    if abs(skews[worst]) > _SKEW_SECONDS:
        raise Finding(f"{worst}'s clock is {skews[worst]:+.1f} s off ours: let NTP set both")
    return f"within {max(map(abs, skews.values())):.1f} s of each other"
