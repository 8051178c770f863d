"""The parts of the event table, one for each quarter of receipt: made before it begins, dropped when they are empty."""

import asyncio
from datetime import datetime, timedelta
from typing import Final, Never

import structlog

from domain.clock import Clock
from stores.faults import transaction
from stores.outage import STORE_FAULTS
from stores.postgres import Connection, Database

_LOG = structlog.get_logger(__name__)
_LOOK_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 600.0
"""Each try may hold up who reads and writes events for a second."""
_ANALYSE_SECONDS: Final = 900.0
_AHEAD: Final = timedelta(days=30)

_BRIEFLY: Final = "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '5s'"
"""A part is made and dropped under a lock that all wait behind: better later than after somebody who reads for long."""
_MAKE: Final = """
    SELECT CASE WHEN pg_relation_size('event_default') < 16777216 THEN make_event_quarters($1) ELSE 0 END
"""
"""What is in `event_default` is read, and moved, while nobody can write to it."""
_TAKE_TURN: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('event quarters', 0))"
_LACKING: Final = "SELECT NOT EXISTS (SELECT FROM event_part WHERE begins <= $1 AND ends > $1)"


async def make_quarters(connection: Connection, now: datetime) -> int:
    """Have a part for this quarter and for the next; return how many there were to make.

    None is made while `event_default` is so large that it would hold up everybody. Raises `Contended` when somebody
    reads events for long, and `StoreUnavailable`.
    """
    return await _alter(connection, _MAKE, now)


async def drop_quarters(connection: Connection, now: datetime) -> int:
    """Drop the parts that ended more than 30 days ago and hold nothing any more; return how many these were.

    Raises like `make_quarters`.
    """
    return await _alter(connection, "SELECT drop_event_quarters($1)", now)


async def analyse_events(connection: Connection) -> bool:
    """Let Postgres know of how many people events are, once a day and as they come to be twice as many."""
    async with transaction(connection):
        if not await connection.fetchval(_TAKE_TURN):
            return False
        done: bool = await connection.fetchval("SELECT analyse_events()", timeout=_ANALYSE_SECONDS)
    return done


async def lacks_quarter(connection: Connection, now: datetime) -> bool:
    """Tell whether what is received in 30 days has no part yet, though it ought to since the quarter before began."""
    lacking: bool = await connection.fetchval(_LACKING, now + _AHEAD)
    return lacking


async def keep_quarters(database: Database, clock: Clock) -> Never:
    """Look after the parts each minute, until cancelled.

    A fault of Postgres, or somebody who reads events for long, only delays it: there are three months to do it in, and
    the doctor tells when they are nearly over.
    """
    while True:
        try:
            async with database.across() as connection:
                await make_quarters(connection, clock())
                await drop_quarters(connection, clock())
                await analyse_events(connection)
        except STORE_FAULTS as error:
            _LOG.warning("event_quarters_wait", problem=type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)
        await asyncio.sleep(_LOOK_SECONDS)


async def _alter(connection: Connection, statement: str, now: datetime) -> int:
    """Run it unless another builder does."""
    async with transaction(connection):
        await connection.execute(_BRIEFLY)
        if not await connection.fetchval(_TAKE_TURN):
            return 0
        number: int = await connection.fetchval(statement, now)
    return number
