"""The pool of Postgres connections, each at work for one workspace at a time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, Self
from uuid import UUID

import asyncpg
import msgspec
import structlog

from domain.errors import Refused, StoreUnavailable
from stores.reach import unreachable
from stores.silence import LIVELY, SETTINGS, notice

Role = Literal["app", "worker"]

_ACQUIRE_WITHIN = 10.0
ANSWERS_WITHIN = 60.0
"""How long a statement may take where nobody waits for it."""
_CLOSE_WITHIN = 2.0
_HEALTH_WITHIN = 2.0
_IDLE_SECONDS = 300.0
_JSONB_VERSION = b"\x01"

_ARRAYS = (
    "SELECT $1::bool[], $2::int2[], $3::int4[], $4::int8[], $5::float8[], "
    "$6::bytea[], $7::timestamptz[], $8::uuid[], $9::jsonb[]"
)
"""The types of which asyncpg asks each connection what they are, in one question and before anybody waits for it."""

_LOST = (asyncpg.PostgresConnectionError, asyncpg.InternalClientError)
"""What asyncpg raises when the server goes away, also in the middle of a query."""

_UNWELL = (asyncpg.InsufficientResourcesError, asyncpg.PostgresSystemError, asyncpg.ReadOnlySQLTransactionError)
"""What a server says that has no room, a broken disk, or became a replica: it answers, and takes nothing."""

_NOT_NOW = (
    *_UNWELL,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
)
"""What a server says that would do the same at another time."""

_UNWELL_SECONDS = 10.0
"""How long a server counts as unwell after it said so: longer than whoever waits for it to be well waits to try."""

_UNKEEPABLE = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
"""What Postgres says to a NUL: the one character that a text of JSON may hold and no text of its own may."""

_LOG = structlog.get_logger(__name__)


class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg's classes are untyped
    """A connection that knows which workspace its session is set to, to spare the round trip when it already is."""

    __slots__ = ("workspace",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.workspace: UUID | None = None

    async def enter(self, workspace: UUID | None) -> None:
        """Set the session to one workspace; row-level security shows it nothing else."""
        if self.workspace != workspace:
            await self.execute("SELECT set_config('tagway.workspace', $1, false)", str(workspace or ""))
            self.workspace = workspace


class Database:
    """Owns the pool of one role: `app` serves one workspace at a time, `worker` builds across all of them.

    Sessions are handed on without a reset, so that row-level security costs no round trip. What runs on a
    connection must therefore keep its settings, locks and cursors inside a transaction.
    """

    def __init__(self, pool: asyncpg.Pool, role: Role) -> None:
        self._pool = pool
        self._role = role
        self._unwell_until = 0.0

    @classmethod
    async def open(
        cls, url: str, *, role: Role, max_size: int = 10, at_once: bool = False, answers_within: float = ANSWERS_WITHIN
    ) -> Self:
        """Connect as `role`, which the first migration makes. Raises `StoreUnavailable`.

        A statement that is not answered within so many seconds is given up, and its connection with it.

        `at_once` opens all connections here and keeps them while they are idle. Otherwise they are opened when they
        are first needed, each for some 30 ms of two processors, and a burst of requests waits for that.
        """
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=max_size if at_once else 1,
                max_size=max_size,
                max_inactive_connection_lifetime=0 if at_once else _IDLE_SECONDS,
                timeout=_ACQUIRE_WITHIN,
                command_timeout=answers_within,
                connection_class=Connection,
                init=_initialise(role),
                reset=_keep_session,
                server_settings={"application_name": f"tagway-{role}", "timezone": "UTC"},
            )
        except (*_LOST, OSError, TimeoutError) as error:
            raise unreachable("Postgres", error) from error
        except asyncpg.exceptions.ClientConfigurationError as error:
            raise StoreUnavailable(f"the URL of Postgres cannot be used: {error}") from error
        except ValueError:
            raise StoreUnavailable("the URL of Postgres cannot be used") from None
        except asyncpg.InvalidParameterValueError as error:
            raise StoreUnavailable(f"Postgres has no role tagway_{role}: run `tagway migrate`") from error
        except asyncpg.PostgresError as error:
            raise StoreUnavailable(f"Postgres refuses a connection as {role}: {type(error).__name__}") from error
        return cls(pool, role)

    async def close(self) -> None:
        """Close every connection once it is free."""
        await self._pool.close()

    async def healthy(self) -> bool:
        """Tell within some two seconds whether the server answers and takes what it is given, as far as it has said."""
        try:
            # In this order, or a frozen server would be waited for again when the connection is given back.
            async with self._lend(_HEALTH_WITHIN) as connection, asyncio.timeout(_HEALTH_WITHIN):
                if await connection.fetchval("SELECT current_setting('transaction_read_only')::boolean"):
                    connection.terminate()
                    return False
        except StoreUnavailable:
            return False
        return time.monotonic() >= self._unwell_until

    def heed(self, error: BaseException | None) -> None:
        """Learn how the server is from an error that came of a lent connection and that its borrower keeps."""
        if isinstance(error, _UNWELL):
            if time.monotonic() >= self._unwell_until:
                _LOG.error("postgres_refuses", problem=type(error).__name__)
            self._unwell_until = time.monotonic() + _UNWELL_SECONDS

    @asynccontextmanager
    async def workspace(self, workspace: UUID | None) -> AsyncIterator[Connection]:
        """Lend a connection that sees one workspace only; None sees what has no workspace yet (a key's look-up).

        Raises `StoreUnavailable` when the server cannot be reached, is lost meanwhile or says that it cannot now, and
        `Refused` for a text that it cannot hold.
        """
        async with self._lend() as connection:
            await connection.enter(workspace)
            yield connection

    @asynccontextmanager
    async def across(self) -> AsyncIterator[Connection]:
        """Lend a connection of the worker role, which sees every workspace. Raises like `workspace`."""
        if self._role != "worker":
            raise RuntimeError("only the worker role sees across workspaces")
        async with self._lend() as connection:
            yield connection

    @asynccontextmanager
    async def hold(self, *, lively: bool = False) -> AsyncIterator[Connection]:
        """Lend a connection for long, closed at the end: its listeners, settings and session locks go with it.

        One that is to be lively Postgres ends, and its locks are free, after 30 seconds without a word: whoever holds
        it is frozen, or cut off. Raises like `workspace`.
        """
        async with self._lend() as connection:
            try:
                if lively:
                    await connection.execute(LIVELY)
                yield connection
            finally:
                with suppress(*_LOST, *_NOT_NOW, OSError, TimeoutError, asyncpg.InterfaceError):
                    await connection.close(timeout=_CLOSE_WITHIN)

    @asynccontextmanager
    async def _lend(self, acquire_within: float = _ACQUIRE_WITHIN) -> AsyncIterator[Connection]:
        connection: Connection | None = None
        try:
            connection = await self._pool.acquire(timeout=acquire_within)
        except (asyncpg.PostgresError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
            raise StoreUnavailable("Postgres is not reachable") from error
        try:
            yield connection
        except _LOST as error:
            raise StoreUnavailable("Postgres was lost in the middle of a query") from error
        except _NOT_NOW as error:
            self._note(connection, error)
            raise StoreUnavailable(f"Postgres refused: {type(error).__name__}") from error
        except StoreUnavailable as error:
            self._note(connection, error.__cause__)
            raise
        except _UNKEEPABLE as error:
            raise Refused("A text holds a NUL character.") from error
        except TimeoutError as error:
            connection.terminate()  # what it was asked may still be under way, or never answered
            raise StoreUnavailable("Postgres did not answer in time") from error
        except (OSError, asyncpg.InterfaceError) as error:
            if not is_lost(connection):
                raise
            raise StoreUnavailable("Postgres was lost in the middle of a query") from error
        finally:
            # A query whose borrower is cancelled has to be cancelled too, which a server that is frozen does not do.
            with suppress(TimeoutError):
                await self._pool.release(connection, timeout=_CLOSE_WITHIN)

    def _note(self, connection: Connection, error: BaseException | None) -> None:
        self.heed(error)
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            connection.terminate()  # the address of a server that became a replica may lead to the new primary by now


def is_lost(connection: Connection) -> bool:
    """Tell whether a lent connection has ended. Its pool takes one back that ends, and then it answers nothing."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


def _initialise(role: Role) -> Any:
    async def initialise(connection: Connection) -> None:
        # What is asked for lies in memory or on a disk without a head, so an index costs no more than reading on. It is
        # said here, not with the login, where poolers refuse what they do not know.
        await connection.execute(f"SET ROLE tagway_{role}; SET random_page_cost = 1.1; {SETTINGS}")
        notice(connection._transport)  # noqa: SLF001 - asyncpg has no public way to it
        await set_codecs(connection)
        await connection.prepare(_ARRAYS)

    return initialise


async def _keep_session(_connection: Connection) -> None:
    """Reset nothing: asyncpg's own RESET ALL would cost a round trip and forget the workspace."""


async def set_codecs(connection: asyncpg.Connection) -> None:
    """Exchange json and jsonb as Python values by msgspec.

    A uuid comes as asyncpg's subclass of the standard library's, which hashes and compares many times faster.
    """
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
    await connection.set_type_codec("json", schema="pg_catalog", encoder=encode, decoder=decode, format="binary")
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: _JSONB_VERSION + encode(value),
        decoder=lambda frame: decode(frame[1:]),
        format="binary",
    )
