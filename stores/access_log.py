"""The log of looks at personal data. It only grows: its role may neither change nor remove an entry."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from domain.access import END_USER, Access, LookLimits, TooManyLooks
from privacy.chain import GENESIS, follow
from stores.postgres import Connection

_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_AT_ONCE: Final = 5_000
_AFTER: Final = "SELECT * FROM access_log WHERE workspace_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"


class Known(msgspec.Struct, frozen=True):
    """An entry that an earlier check ended at."""

    number: int
    head: bytes


class Check(msgspec.Struct, frozen=True):
    """How far a log holds, and the first entry that does not, if any."""

    number: int
    """Entries that hold."""
    head: bytes
    """Hash of the last of them, 32 bytes; zero for none."""
    bad: int | None = None
    reason: str = ""


async def record_access(
    connection: Connection, workspace: UUID, accesses: Sequence[Access], limits: LookLimits | None = None
) -> int:
    """Append entries and commit them; return the number of the last. Only then may the data leave.

    Must not run inside a transaction that could still be rolled back after the data has left. With `limits`, raises
    `TooManyLooks` where the actor of the entries, of which there is one, has reached them.
    """
    async with connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('access_log/' || $1, 0))", str(workspace)
        )
        if limits is not None:
            await _hold_to(connection, workspace, accesses, limits)
        row = await connection.fetchrow(
            "SELECT seq, hash FROM access_log WHERE workspace_id = $1 ORDER BY seq DESC LIMIT 1", workspace
        )
        seq, previous = (row["seq"], row["hash"]) if row else (0, GENESIS)
        rows = []
        for access in accesses:
            seq += 1
            digest = follow(previous, entry_of(seq, access))
            rows.append(
                (
                    workspace,
                    seq,
                    access.at,
                    access.actor,
                    access.action,
                    access.profile_id,
                    list(access.fields),
                    access.purpose.value,
                    access.reason,
                    previous,
                    digest,
                )
            )
            previous = digest
        await connection.executemany(
            "INSERT INTO access_log VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", rows
        )
    return seq


async def check_log(
    connection: Connection,
    workspace: UUID,
    *,
    known: Known | None = None,
    progress: Callable[[int], None] | None = None,
) -> Check:
    """Walk the whole log and compute its chain anew; `progress` is told the entries so far.

    What was cut off at the end leaves no trace in a chain, so hand in what an earlier check `known`: that must stand.
    """
    head, number = GENESIS, 0
    while rows := await connection.fetch(_AFTER, workspace, number, _AT_ONCE):
        for row in rows:
            if row["seq"] != number + 1:
                return Check(number, head, number + 1, "it is missing")
            if row["previous"] != head:
                return Check(number, head, row["seq"], "it does not follow the entry before")
            if row["hash"] != follow(head, entry_of(row["seq"], _access(row))):
                return Check(number, head, row["seq"], "its content is not what was written")
            number, head = row["seq"], row["hash"]
            if known is not None and known.number == number and known.head != head:
                return Check(number - 1, row["previous"], number, "it is another than at the earlier check")
        if progress is not None:
            progress(number)
    if known is not None and known.number > number:
        return Check(number, head, number + 1, "it stood at the earlier check and is missing")
    return Check(number, head)


def _access(row: asyncpg.Record) -> Access:
    """Read an entry as it stands, whatever it says: its hash tells whether it was so written."""
    return Access(
        row["at"],
        row["actor"],
        row["action"],
        row["profile_id"],
        tuple(row["fields"]),
        row["purpose"],
        row["reason"],
    )


def entry_of(seq: int, access: Access) -> dict[str, object]:
    """Give what is hashed of an entry."""
    return {"seq": seq, **msgspec.to_builtins(access)}


async def _hold_to(connection: Connection, workspace: UUID, accesses: Sequence[Access], limits: LookLimits) -> None:
    """Count what the actor has seen; the log's own lock keeps two requests from taking the last look both."""
    now, actor = accesses[0].at, accesses[0].actor
    people = {access.profile_id for access in accesses}
    row = await connection.fetchrow(
        """
        SELECT count(*) FILTER (WHERE at > $3) AS looks, min(at) FILTER (WHERE at > $3) AS oldest_look,
            count(DISTINCT profile_id) FILTER (WHERE profile_id <> ALL($5::uuid[])) AS people, min(at) AS oldest
        FROM access_log
        WHERE workspace_id = $1 AND actor = $2 AND at > $4 AND ($2 <> $6 OR profile_id = ANY($5))
        """,
        workspace,
        actor,
        now - _MINUTE,
        now - _DAY,
        list(people),
        END_USER,
    )
    if row["looks"] + len(accesses) > limits.looks_per_minute:
        wait = _seconds_until(row["oldest_look"], now, _MINUTE)
        raise TooManyLooks(f"At most {limits.looks_per_minute} looks at personal data a minute.", wait)
    if row["people"] + len(people) > limits.people_per_day:
        wait = _seconds_until(row["oldest"], now, _DAY)
        raise TooManyLooks(f"At most the personal data of {limits.people_per_day} people a day.", wait)


def _seconds_until(oldest: datetime | None, now: datetime, window: timedelta) -> int:
    """Tell when the oldest look leaves the window; a whole window where the request alone is too much."""
    return ceil((window if oldest is None else oldest + window - now).total_seconds())
