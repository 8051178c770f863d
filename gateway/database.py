"""The database that the settings name, for as long as something works on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.settings import Settings
from stores.postgres import ANSWERS_WITHIN, Database, Role


@asynccontextmanager
async def open_database(
    settings: Settings,
    *,
    role: Role = "worker",
    connections: int = 4,
    at_once: bool = False,
    answers_within: float = ANSWERS_WITHIN,
) -> AsyncIterator[Database]:
    """Lend a pool of at most so many connections; the rest is told in `Database.open`.

    Raises `SettingsError` and `StoreUnavailable`.
    """
    settings.needs("postgres_url")
    database = await Database.open(
        settings.postgres_url or "",
        role=role,
        max_size=connections,
        at_once=at_once,
        answers_within=answers_within,
    )
    try:
        yield database
    finally:
        await database.close()
