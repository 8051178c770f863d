"""What a failed transaction means for whoever ran it: try again, wait for the store, or look at the data."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from domain.errors import StoreUnavailable
from stores.postgres import Connection

_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)
_IN_THE_WAY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)


class Contended(Exception):
    """Another transaction was in the way. Nothing was changed, and the same work will succeed when tried again."""


class Unfit(Exception):
    """Postgres cannot hold this data, today or later. Nothing was changed; the message is safe to show."""


@asynccontextmanager
async def transaction(connection: Connection) -> AsyncIterator[None]:
    """Run one transaction. Raises `Contended`, `Unfit`, or `StoreUnavailable` for all else that Postgres may say."""
    try:
        async with connection.transaction():
            yield
    except _IN_THE_WAY as error:
        raise Contended(type(error).__name__) from error
    except _DATA as error:
        raise Unfit(type(error).__name__) from error
    except (asyncpg.PostgresError, TimeoutError, OSError) as error:
        raise StoreUnavailable(f"Postgres refused: {type(error).__name__}") from error
