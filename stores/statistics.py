"""What Postgres knows of tables that have just begun to fill; without it, its plans read whole workspaces."""

import asyncio
from typing import Final, Never

from domain.errors import StoreUnavailable
from stores.postgres import Connection, Database

_LOOK_SECONDS: Final = 1.0


async def analyse_young_tables(connection: Connection) -> int:
    """Have Postgres analyse the tables that have begun to fill and that it never has; return how many these are."""
    number: int = await connection.fetchval("SELECT analyse_young_tables()")
    return number


async def watch_young_tables(database: Database) -> Never:
    """Look each second, until cancelled. Once a table has been analysed, Postgres itself keeps it so."""
    while True:
        try:
            async with database.workspace(None) as connection:
                await analyse_young_tables(connection)
        except StoreUnavailable:
            pass  # the next look may find it again
        await asyncio.sleep(_LOOK_SECONDS)
