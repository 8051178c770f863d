"""What Postgres knows of tables that have just begun to fill; without it, its plans read whole workspaces."""

import asyncio
from typing import Final, Never

import structlog

from stores.outage import STORE_FAULTS
from stores.postgres import Connection, Database

_LOG = structlog.get_logger(__name__)
_LOOK_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 5.0


async def analyse_young_tables(connection: Connection) -> int:
    """Have Postgres analyse the tables that have begun to fill and that it never has; return how many these are."""
    number: int = await connection.fetchval("SELECT analyse_young_tables()")
    return number


async def watch_young_tables(database: Database) -> Never:
    """Look each second, until cancelled. Once a table has been analysed, Postgres itself keeps it so.

    A fault of Postgres only delays the look: nothing but speed hangs on it.
    """
    while True:
        try:
            async with database.workspace(None) as connection:
                await analyse_young_tables(connection)
        except STORE_FAULTS as error:
            _LOG.warning("young_tables_wait", problem=type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)
        await asyncio.sleep(_LOOK_SECONDS)
