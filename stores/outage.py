"""All that work on the stores may raise while one of them goes away and comes back.

Apart from `faults`, which most commands need, because the Redis client takes longer to load than they take to run.
"""

from typing import Final

import asyncpg
import redis.exceptions

from domain.errors import TagwayError
from stores.faults import Contended, Unfit

STORE_FAULTS: Final = (
    TagwayError,
    Contended,
    Unfit,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    redis.exceptions.RedisError,
    OSError,
    TimeoutError,
)
