"""Fetching what a request was answered with: written down first, opened after."""

from strawberry.scalars import JSON

from domain.access import Access
from domain.consent import Purpose
from domain.request import Request
from privacy.sealing import Unreadable
from profiles.rights.gather import RESULT
from resolvers.context import Info
from stores.access_log import record_access
from stores.persons import read_keys
from stores.requests import read_result


async def fetch_answer(info: Info, request: Request) -> JSON | None:
    """Open the answer to a request; None when there is none, or it has expired, or its person was erased."""
    caller, services = info.context.caller, info.context.services
    now = services.clock()
    async with services.database.workspace(request.workspace) as connection:
        result = await read_result(connection, request.workspace, request.id, now)
        if result is None or request.profile_id is None:
            return None
        wrapped = (await read_keys(connection, request.workspace, [result.subject_id])).get(result.subject_id)
        if wrapped is None:
            return None
        access = Access(
            at=now,
            actor=caller.principal.actor,
            action="export",
            profile_id=request.profile_id,
            fields=("*",),
            purpose=Purpose.NECESSARY,
            reason=f"request {request.id}",
        )
        await record_access(connection, request.workspace, [access])
    try:
        return JSON(caller.keys.sealer(result.subject_id, wrapped).open(RESULT, result.frame))
    except Unreadable:
        return None
