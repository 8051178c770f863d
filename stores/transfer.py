"""Into a fresh database goes what is not made from the log: workspaces, keys, consents, definitions."""

from collections.abc import Callable
from typing import Final

import asyncpg

from domain.errors import Refused

BUILT: Final = frozenset(
    {
        "claim",
        "consumer_offset",
        "dead_letter",
        "event",
        "event_tally",
        "leaf_state",
        "likeness",
        "membership",
        "message_seen",
        "profile",
        "publisher",
        "schema_migration",
        "segment_change",
        "statement",
    }
)
"""What builders make of the log, and what belongs to one database alone."""

_LOG: Final = frozenset({"log_partition", "log_record"})
_AT_ONCE: Final = 500

_TABLES: Final = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""
_REFERENCES: Final = """
    SELECT conrelid::regclass::text AS child, confrelid::regclass::text AS parent FROM pg_constraint
    WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conrelid <> confrelid
"""
_COLUMNS: Final = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
_RAISE_SEQUENCES: Final = """
    SELECT setval(pg_get_serial_sequence($1, attname), greatest($2, 1), $2 > 0) FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attidentity <> ''
"""
_CARRY_HOLDS: Final = """
    UPDATE profile SET restricted_at = held.restricted_at, objected_at = held.objected_at
    FROM jsonb_to_recordset($1::text::jsonb)
        AS held (workspace_id uuid, subject_id uuid, restricted_at timestamptz, objected_at timestamptz)
    JOIN subject ON subject.workspace_id = held.workspace_id AND subject.id = held.subject_id
    WHERE profile.workspace_id = held.workspace_id AND profile.id = subject.profile_id
"""
_ASK_AGAIN: Final = """
    WITH found_again AS (DELETE FROM match_candidate WHERE status = 'merged')
    UPDATE match_candidate SET status = 'open', decided_at = NULL, actor = NULL WHERE status = 'accepted'
"""
"""What somebody answered by a merge is asked again, since the log tells nothing of it. What the matcher
merged by itself it finds again."""
_HOLDS: Final = """
    SELECT coalesce(jsonb_agg(to_jsonb(held)), '[]')::text FROM (
        SELECT subject.workspace_id, subject.id AS subject_id, restricted_at, objected_at
        FROM profile JOIN subject ON subject.workspace_id = profile.workspace_id AND subject.profile_id = profile.id
        WHERE restricted_at IS NOT NULL OR objected_at IS NOT NULL) AS held
"""


async def transfer(source: str, target: str, *, with_log: bool, progress: Callable[[str, int], None]) -> None:
    """Copy from one database into another of the same schema, as of one instant; `progress` hears table and rows.

    Everyone's subjects stand apart again, as before any merge: the log tells who belongs together. Raises `Refused`
    when the target holds anything, and what asyncpg raises.
    """
    reading, writing = await asyncpg.connect(source), await asyncpg.connect(target)
    try:
        for connection in (reading, writing):
            await connection.execute("SET ROLE tagway_worker")
        if await writing.fetchval("SELECT EXISTS (SELECT FROM workspace)"):
            raise Refused("The database to replay into is not empty.")
        async with reading.transaction(isolation="repeatable_read", readonly=True), writing.transaction():
            for table in await _ordered(reading):
                if table in BUILT or (table in _LOG and not with_log):
                    continue
                progress(table, await _copy(reading, writing, table))
            await writing.execute("UPDATE subject SET profile_id = id WHERE profile_id <> id")
            await writing.execute(_ASK_AGAIN)
    finally:
        await reading.close()
        await writing.close()


async def carry_holds(source: str, target: str) -> None:
    """Let those who restricted or objected to processing stand so in the target, once their profiles are there."""
    reading, writing = await asyncpg.connect(source), await asyncpg.connect(target)
    try:
        for connection in (reading, writing):
            await connection.execute("SET ROLE tagway_worker")
        await writing.execute(_CARRY_HOLDS, await reading.fetchval(_HOLDS))
    finally:
        await reading.close()
        await writing.close()


async def _ordered(connection: asyncpg.Connection) -> list[str]:
    """List the tables, each after those that it refers to."""
    tables = {row["relname"] for row in await connection.fetch(_TABLES)}
    parents: dict[str, set[str]] = {table: set() for table in tables}
    for child, parent in await connection.fetch(_REFERENCES):
        if child in parents and parent in tables:
            parents[child].add(parent)
    ordered: list[str] = []
    while parents:
        ready = sorted(table for table, needed in parents.items() if not needed - set(ordered))
        if not ready:
            raise Refused("Tables refer to each other in a circle.")
        ordered += ready
        for table in ready:
            del parents[table]
    return ordered


async def _copy(reading: asyncpg.Connection, writing: asyncpg.Connection, table: str) -> int:
    """Copy by JSON: Postgres takes no COPY into tables with row-level security."""
    columns = ", ".join(f'"{row["attname"]}"' for row in await reading.fetch(_COLUMNS, table))
    insert = f"""
        INSERT INTO "{table}" ({columns}) OVERRIDING SYSTEM VALUE
        SELECT {columns} FROM jsonb_populate_recordset(NULL::"{table}", $1::text::jsonb) ON CONFLICT DO NOTHING
    """  # noqa: S608 - names out of the catalogue
    batch: list[str] = []
    rows = 0
    async for row in reading.cursor(f'SELECT to_jsonb(t)::text FROM "{table}" AS t', prefetch=_AT_ONCE):  # noqa: S608 - as above
        batch.append(row[0])
        rows += 1
        if len(batch) == _AT_ONCE:
            await writing.execute(insert, f"[{','.join(batch)}]")
            batch.clear()
    if batch:
        await writing.execute(insert, f"[{','.join(batch)}]")
    await _raise_sequence(writing, table)
    return rows


async def _raise_sequence(writing: asyncpg.Connection, table: str) -> None:
    identity = await writing.fetchval(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attidentity <> ''", table
    )
    if identity is not None:
        newest = await writing.fetchval(f'SELECT coalesce(max("{identity}"), 0) FROM "{table}"')  # noqa: S608 - as above
        await writing.execute("RESET ROLE")
        await writing.fetch(_RAISE_SEQUENCES, table, newest)
        await writing.execute("SET ROLE tagway_worker")
