"""Which generation of builders a database is built by, and which of them live."""

from typing import Final

from stores.postgres import Connection

_BUILDERS: Final = 0x7461_6777
"""The first half of the session locks that living builders hold; the other half is their generation."""


async def hold_generation(connection: Connection) -> None:
    """Let nobody come or take over until the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('generation', 0))")


async def read_generation(connection: Connection) -> int:
    """Tell the newest generation that has built here."""
    found: int = await connection.fetchval("SELECT generation FROM publisher")
    return found


async def raise_generation(connection: Connection, generation: int) -> None:
    """Note that a generation builds here from now on."""
    await connection.execute("UPDATE publisher SET generation = greatest(generation, $1)", generation)


async def show_life(connection: Connection, generation: int) -> None:
    """Be seen as a living builder of a generation for as long as the session lasts."""
    await connection.execute("SELECT pg_advisory_lock_shared($1::int, $2::int)", _BUILDERS, generation)


async def earlier_living(connection: Connection, generation: int) -> set[int]:
    """Name the generations before this one of which a builder lives; 0 are all from before the mark.

    To be asked while none of `generation` has begun yet.
    """
    rows = await connection.fetch(
        """
        SELECT DISTINCT objid::bigint::int FROM pg_locks
        WHERE locktype = 'advisory' AND classid = $1::bigint::oid AND objsubid = 2 AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """,
        _BUILDERS,
    )
    earlier = {row[0] for row in rows if row[0] < generation}
    # Of several builders one publishes. While none that is marked has begun, that is one from before the mark.
    if not earlier and await _someone_publishes(connection):
        earlier.add(0)
    return earlier


async def _someone_publishes(connection: Connection) -> bool:
    found: bool = await connection.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM pg_locks, (SELECT hashtextextended('publisher', 0) AS key) AS publisher
            WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                AND classid = ((key >> 32) & 4294967295)::oid AND objid = (key & 4294967295)::oid
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
        """
    )
    return found
