"""What people have asked for, and how far each request has come."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.alias import Alias
from domain.request import Found, Regime, Request, RequestKind, RequestStatus, Step
from stores.postgres import Connection

_COLUMNS: Final = """
    workspace_id, id, kind, regime, status, actor, reason, named, profile_id, found, received_at, due_at, extended_at,
    extension_reason, steps, planned, finished_at, error, expires_at, receipt
"""


class Sealed(msgspec.Struct, frozen=True):
    """Bytes under the data key of one subject of the person whom a request is about."""

    subject_id: UUID
    frame: bytes


class Place(msgspec.Struct, frozen=True):
    """A place in the list of requests, the newest first."""

    received_at: datetime
    id: UUID


async def open_request(connection: Connection, request: Request, stated: Sealed | None = None) -> None:
    """Store a new request; `stated` are the new values that a rectification brings."""
    await connection.execute(
        """
        INSERT INTO privacy_request (workspace_id, id, kind, regime, status, actor, reason, named, profile_id,
            received_at, due_at, retry_at, sealed_for, stated)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10, $12, $13)
        """,
        request.workspace,
        request.id,
        request.kind.value,
        request.regime.value,
        request.status.value,
        request.actor,
        request.reason,
        request.named,
        request.profile_id,
        request.received_at,
        request.due_at,
        stated and stated.subject_id,
        stated and stated.frame,
    )


async def read_request(connection: Connection, workspace: UUID, request: UUID) -> Request | None:
    """Read one request."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM privacy_request WHERE workspace_id = $1 AND id = $2",  # noqa: S608 - a constant
        workspace,
        request,
    )
    return None if row is None else _request(row)


async def list_requests(
    connection: Connection,
    workspace: UUID,
    size: int,
    *,
    after: Place | None = None,
    status: RequestStatus | None = None,
    profiles: list[UUID] | None = None,
) -> list[Request]:
    """List `size` requests, the newest first; those in one status, or about some profiles, if given."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM privacy_request
        WHERE workspace_id = $1 AND ($2::timestamptz IS NULL OR (received_at, id) < ($2, $3::uuid))
            AND ($4::text IS NULL OR status = $4) AND ($5::uuid[] IS NULL OR profile_id = ANY($5))
        ORDER BY received_at DESC, id DESC LIMIT $6
        """,  # noqa: S608 - a constant
        workspace,
        after and after.received_at,
        after and after.id,
        status and status.value,
        profiles,
        size,
    )
    return [_request(row) for row in rows]


async def count_requests(connection: Connection, workspace: UUID, status: RequestStatus | None, at_most: int) -> int:
    """Count the requests, or those in one status, stopping at `at_most`."""
    found: int = await connection.fetchval(
        """
        SELECT count(*) FROM (
            SELECT FROM privacy_request WHERE workspace_id = $1 AND ($2::text IS NULL OR status = $2) LIMIT $3
        ) AS counted
        """,
        workspace,
        status and status.value,
        at_most,
    )
    return found


async def waiting_requests(connection: Connection, now: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """List workspace and id of requests that may be worked on, the one that waits longest first."""
    rows = await connection.fetch(
        """
        SELECT workspace_id, id FROM privacy_request WHERE finished_at IS NULL AND retry_at <= $1
        ORDER BY retry_at, id LIMIT $2
        """,
        now,
        limit,
    )
    return [(workspace, request) for workspace, request in rows]


async def take_request(connection: Connection, workspace: UUID, request: UUID) -> Request | None:
    """Own an unfinished request for the rest of the transaction; None when another worker does, or it is finished."""
    row = await connection.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM privacy_request WHERE workspace_id = $1 AND id = $2 AND finished_at IS NULL
        FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 - a constant
        workspace,
        request,
    )
    return None if row is None else _request(row)


async def save_step(connection: Connection, request: Request, step: Step, *, planned: int) -> None:
    """Note a finished step of an owned request, and how many are planned in all."""
    await connection.execute(
        """
        UPDATE privacy_request SET status = 'working', steps = steps || $3::jsonb, planned = $4
        WHERE workspace_id = $1 AND id = $2
        """,
        request.workspace,
        request.id,
        [step],
        planned,
    )


async def save_found(connection: Connection, request: Request, found: Found) -> None:
    """Note whom an owned request is about, so that later steps know them when they are gone."""
    await connection.execute(
        """
        UPDATE privacy_request SET found = $3, profile_id = coalesce($4, profile_id) WHERE workspace_id = $1 AND id = $2
        """,
        request.workspace,
        request.id,
        found,
        found.profiles[0] if found.profiles else None,
    )


async def put_off(connection: Connection, workspace: UUID, request: UUID, until: datetime) -> None:
    """Leave a request alone for a moment: others go first meanwhile."""
    await connection.execute(
        "UPDATE privacy_request SET retry_at = $3 WHERE workspace_id = $1 AND id = $2", workspace, request, until
    )


async def finish_request(
    connection: Connection,
    request: Request,
    status: RequestStatus,
    at: datetime,
    *,
    error: str | None = None,
    receipt: Mapping[str, Any] | None = None,
) -> None:
    """End a request. What it was worked with is kept no longer than that."""
    await connection.execute(
        """
        UPDATE privacy_request SET status = $3, finished_at = $4, error = $5, receipt = $6, found = '{}', stated = NULL
        WHERE workspace_id = $1 AND id = $2
        """,
        request.workspace,
        request.id,
        status.value,
        at,
        error,
        receipt,
    )


async def extend_request(
    connection: Connection, workspace: UUID, request: UUID, *, due_at: datetime, reason: str, at: datetime
) -> Request | None:
    """Put off the due date of a request that is neither finished nor extended yet; None when there is none such."""
    row = await connection.fetchrow(
        f"""
        UPDATE privacy_request SET due_at = $3, extension_reason = $4, extended_at = $5
        WHERE workspace_id = $1 AND id = $2 AND finished_at IS NULL AND extended_at IS NULL RETURNING {_COLUMNS}
        """,  # noqa: S608 - a constant
        workspace,
        request,
        due_at,
        reason,
        at,
    )
    return None if row is None else _request(row)


async def read_stated(connection: Connection, request: Request) -> Sealed | None:
    """Read the new values that came with a rectification; None when they are gone with their person."""
    row = await connection.fetchrow(
        "SELECT sealed_for, stated FROM privacy_request WHERE workspace_id = $1 AND id = $2 AND stated IS NOT NULL",
        request.workspace,
        request.id,
    )
    return None if row is None else Sealed(row["sealed_for"], row["stated"])


async def save_result(connection: Connection, request: Request, result: Sealed, expires_at: datetime) -> None:
    """Keep the answer to an owned request until it expires."""
    await connection.execute(
        """
        UPDATE privacy_request SET sealed_for = $3, result = $4, expires_at = $5 WHERE workspace_id = $1 AND id = $2
        """,
        request.workspace,
        request.id,
        result.subject_id,
        result.frame,
        expires_at,
    )


async def read_result(connection: Connection, workspace: UUID, request: UUID, now: datetime) -> Sealed | None:
    """Read the answer to a request; None when there is none, or it has expired."""
    row = await connection.fetchrow(
        """
        SELECT sealed_for, result FROM privacy_request
        WHERE workspace_id = $1 AND id = $2 AND result IS NOT NULL AND expires_at > $3
        """,
        workspace,
        request,
        now,
    )
    return None if row is None else Sealed(row["sealed_for"], row["result"])


async def drop_expired(connection: Connection, now: datetime) -> int:
    """Throw away the answers that have expired, in every workspace; return how many."""
    status = await connection.execute(
        "UPDATE privacy_request SET result = NULL, expires_at = NULL WHERE expires_at <= $1", now
    )
    return int(status.rpartition(" ")[2])


def _request(row: Any) -> Request:
    return Request(
        workspace=row["workspace_id"],
        id=row["id"],
        kind=RequestKind(row["kind"]),
        regime=Regime(row["regime"]),
        status=RequestStatus(row["status"]),
        actor=row["actor"],
        reason=row["reason"],
        named=msgspec.convert(row["named"], tuple[Alias, ...]),
        profile_id=row["profile_id"],
        found=msgspec.convert(row["found"], Found),
        received_at=row["received_at"],
        due_at=row["due_at"],
        extended_at=row["extended_at"],
        extension_reason=row["extension_reason"],
        steps={step.name: step for step in msgspec.convert(row["steps"], list[Step])},
        planned=row["planned"],
        finished_at=row["finished_at"],
        error=row["error"],
        expires_at=row["expires_at"],
        receipt=row["receipt"],
    )
