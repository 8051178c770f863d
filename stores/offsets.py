"""How far each partition has been built, stored with the effects themselves."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from stores.eventlog.port import Stored
from stores.postgres import Connection

_LOCK: Final = """
    SELECT partition, next_offset FROM consumer_offset
    WHERE consumer_group = $1 AND topic = $2 AND partition = ANY($3)
    ORDER BY partition FOR UPDATE
"""


async def lock_offsets(connection: Connection, group: str, topic: str, partitions: Collection[int]) -> dict[int, int]:
    """Lock partitions for the rest of the transaction, in their order; return of each the next offset to build."""
    places = (group, topic, sorted(partitions))
    found = dict(await connection.fetch(_LOCK, *places))
    if len(found) < len(partitions):
        await connection.execute(
            """
            INSERT INTO consumer_offset (consumer_group, topic, partition, next_offset)
            SELECT $1, $2, partition, 0 FROM unnest($3::int[]) AS partition ORDER BY partition ON CONFLICT DO NOTHING
            """,
            *places,
        )
        found = dict(await connection.fetch(_LOCK, *places))
    return found


async def save_offsets(connection: Connection, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Move locked partitions on."""
    await connection.execute(
        """
        UPDATE consumer_offset SET next_offset = reached.next_offset
        FROM unnest($3::int[], $4::bigint[]) AS reached (partition, next_offset)
        WHERE consumer_group = $1 AND topic = $2 AND consumer_offset.partition = reached.partition
        """,
        group,
        topic,
        list(offsets),
        list(offsets.values()),
    )


async def read_offsets(
    connection: Connection, group: str, topic: str, partitions: Collection[int] | None = None
) -> dict[int, int]:
    """Tell where to read on; a partition that nobody has built yet is left out."""
    rows = await connection.fetch(
        """
        SELECT partition, next_offset FROM consumer_offset
        WHERE consumer_group = $1 AND topic = $2 AND ($3::int[] IS NULL OR partition = ANY($3))
        """,
        group,
        topic,
        None if partitions is None else list(partitions),
    )
    return dict(rows)


async def bury(
    connection: Connection, topic: str, record: Stored, *, workspace: UUID | None, reason: str, at: datetime
) -> None:
    """Put a record that cannot be built aside, with the reason: in its workspace, where there is such a one.

    A second burial changes nothing.
    """
    await connection.execute(
        """
        INSERT INTO dead_letter (workspace_id, topic, partition, "offset", reason, value, at)
        VALUES ((SELECT id FROM workspace WHERE id = $1), $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
        """,
        workspace,
        topic,
        record.partition,
        record.offset,
        reason,
        record.value,
        at,
    )
