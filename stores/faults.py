"""What a failed transaction means for whoever ran it: try again, wait for the store, or look at the data."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from domain.errors import StoreUnavailable
from stores.postgres import Connection, is_lost

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
            try:
                yield
            except TimeoutError:
                # Behind a cut line nothing answers: to be rolled back would take as long once more.
                connection.terminate()
                raise
    except _IN_THE_WAY as error:
        raise Contended(type(error).__name__) from error
    except _DATA as error:
        raise Unfit(type(error).__name__) from error
    except TimeoutError as error:
        connection.terminate()
        raise StoreUnavailable("Postgres did not answer in time") from error
    except (asyncpg.PostgresError, OSError) as error:
        raise StoreUnavailable(f"Postgres refused: {type(error).__name__}") from error
    except asyncpg.InterfaceError as error:
        if not is_lost(connection):
            raise
        raise StoreUnavailable("Postgres did not answer in time") from error
