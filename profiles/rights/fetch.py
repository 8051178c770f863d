"""Fetching what a request was answered with: written down first, opened after."""

from datetime import datetime
from typing import Any

from domain.access import Access
from domain.consent import Purpose
from domain.request import Request
from privacy.keys import WorkspaceKeys
from privacy.sealing import Unreadable
from profiles.rights.gather import RESULT
from stores.access_log import record_access
from stores.persons import read_keys
from stores.postgres import Connection
from stores.requests import read_result


async def fetch_answer(
    connection: Connection, keys: WorkspaceKeys, request: Request, *, actor: str, now: datetime
) -> Any:
    """Open the answer to a request, once it is committed who fetched it.

    None when there is no answer, or it has expired, or its person was erased. Must not run inside a transaction.
    """
    result = await read_result(connection, request.workspace, request.id, now)
    if result is None or request.profile_id is None:
        return None
    wrapped = (await read_keys(connection, request.workspace, [result.subject_id])).get(result.subject_id)
    if wrapped is None:
        return None
    access = Access(
        at=now,
        actor=actor,
        action="export",
        profile_id=request.profile_id,
        fields=("*",),
        purpose=Purpose.NECESSARY,
        reason=f"request {request.id}",
    )
    await record_access(connection, request.workspace, [access])
    try:
        return keys.sealer(result.subject_id, wrapped).open(RESULT, result.frame)
    except Unreadable:
        return None
