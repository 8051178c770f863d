"""How far each partition has been built, stored with the effects themselves."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from stores.eventlog.port import Stored
from stores.postgres import Connection

_LOCK: Final = """
    SELECT next_offset FROM consumer_offset WHERE consumer_group = $1 AND topic = $2 AND partition = $3 FOR UPDATE
"""


async def lock_offset(connection: Connection, group: str, topic: str, partition: int) -> int:
    """Lock a partition for the rest of the transaction and return the next offset to build."""
    place = (group, topic, partition)
    found: int | None = await connection.fetchval(_LOCK, *place)
    if found is None:
        await connection.execute(
            """
            INSERT INTO consumer_offset (consumer_group, topic, partition, next_offset)
            VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING
            """,
            *place,
        )
        found = await connection.fetchval(_LOCK, *place)
    return found or 0


async def save_offset(connection: Connection, group: str, topic: str, partition: int, next_offset: int) -> None:
    """Move a locked partition on."""
    await connection.execute(
        "UPDATE consumer_offset SET next_offset = $4 WHERE consumer_group = $1 AND topic = $2 AND partition = $3",
        group,
        topic,
        partition,
        next_offset,
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
    """Put a record that cannot be built aside, with the reason. A second burial changes nothing."""
    await connection.execute(
        """
        INSERT INTO dead_letter (workspace_id, topic, partition, "offset", reason, value, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
        """,
        workspace,
        topic,
        record.partition,
        record.offset,
        reason,
        record.value,
        at,
    )
