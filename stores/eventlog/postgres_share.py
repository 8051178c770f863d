"""Who reads what: the members of a group divide a topic's partitions by the advisory locks of their sessions.

A session that ends, however it ends, frees its locks at once, so there is no lease to wait out.
"""

import zlib
from typing import Final

from stores.postgres import Connection

# Everyone of a group holds lock 0 together; partition n is lock n + 1, held by one.
_JOIN: Final = "SELECT pg_advisory_lock_shared($1, 0)"
_TRY: Final = "SELECT pg_try_advisory_lock($1, $2)"
_FREE: Final = "SELECT pg_advisory_unlock($1, $2)"
_HELD: Final = """
    SELECT objid::bigint AS lock, pid, pid = pg_backend_pid() AS mine
    FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND classid::bigint = $1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Share:
    """One member's part. `held` are the partitions that it may read, as of the last `balance`."""

    def __init__(self, connection: Connection, topic: str, group: str) -> None:
        self._connection = connection
        # pg_locks shows the number unsigned, the functions take it signed: 31 bits mean the same to both.
        self._number = zlib.crc32(f"{topic}\0{group}".encode()) & 0x7FFFFFFF
        self.held: frozenset[int] = frozenset()

    async def join(self) -> None:
        """Be counted from now on."""
        await self._connection.execute(_JOIN, self._number)

    async def balance(self, partitions: int) -> None:
        """Give up what is too much and take what is free, up to this member's part.

        The parts differ by one at most; the members with the lowest process numbers have the larger ones.
        """
        rows = await self._connection.fetch(_HELD, self._number)
        members = sorted(row["pid"] for row in rows if row["lock"] == 0)
        me = next(row["pid"] for row in rows if row["lock"] == 0 and row["mine"])
        mine = sorted(row["lock"] - 1 for row in rows if row["lock"] and row["mine"])
        taken = {row["lock"] - 1 for row in rows}
        even, over = divmod(partitions, len(members))
        part = even + (members.index(me) < over)
        for partition in mine[part:]:
            await self._connection.execute(_FREE, self._number, partition + 1)
        kept = mine[:part]
        for partition in range(partitions):
            if len(kept) == part:
                break
            if partition not in taken and await self._connection.fetchval(_TRY, self._number, partition + 1):
                kept.append(partition)
        self.held = frozenset(kept)
