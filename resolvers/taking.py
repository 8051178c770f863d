"""Taking requests: who may ask for what, about whom, and by when it has to be answered."""

from typing import Any, Final

import msgspec
import uuid_utils.compat

from domain.alias import Alias
from domain.errors import Refused
from domain.key import Scope
from domain.request import Found, Regime, Request, RequestKind, RequestStatus
from privacy.clock import deadlines
from profiles.rights.rectify import STATED
from resolvers.caller import Caller
from resolvers.connection import Connection, connect, page_size
from resolvers.context import Info
from resolvers.loaders import COUNTED
from resolvers.node import uuid_of
from resolvers.problems import InvalidInput, NotFound
from resolvers.profile import ProfileBy, wanted
from resolvers.request import PrivacyRequest, request_of
from stores import requests
from stores.persons import find_person, read_keys
from stores.postgres import Connection as Database
from stores.requests import Place, Sealed, open_request, read_request

OWN: Final = frozenset(RequestKind) - {RequestKind.RECTIFY, RequestKind.LIFT}
"""What visitors may ask for themselves; the others need somebody who looks at the reason."""

_LONGEST_REASON: Final = 2_000
_NEWEST: Final = "requests by receipt"


class Asked(msgspec.Struct, frozen=True):
    """What a caller asks for."""

    kind: RequestKind
    by: ProfileBy | None
    regime: Regime
    reason: str
    traits: Any


async def take(info: Info, asked: Asked) -> PrivacyRequest | InvalidInput | NotFound:
    """Store a request for the builder to work on."""
    caller = info.context.caller
    if caller.principal.is_end_user:
        if asked.kind not in OWN:
            raise Refused("An end user's token may not ask for that.", code="wrong_kind_of_key")
    else:
        caller.require(Scope.PRIVACY_ADMIN, end_users=False)
    if problem := _check(asked):
        return problem
    whom = wanted(asked.by, caller)
    if whom == ():
        return _invalid("by", "Not an identifier, or a placeholder.")
    named = whom if isinstance(whom, tuple) else ()
    profiles = () if isinstance(whom, tuple) else (whom,)
    workspace = caller.principal.workspace
    async with info.context.services.database.workspace(workspace) as connection:
        found = await find_person(connection, workspace, aliases=named, profiles=profiles)
        if profiles and not found.profiles:
            return NotFound(code="not_found", message="There is no such profile.", path=["input", "by", "id"])
        stated = None
        if asked.kind is RequestKind.RECTIFY:
            if not found.subjects:
                return NotFound(code="not_found", message="Nothing is held about this person.", path=["input", "by"])
            stated = await _seal(connection, caller, found, asked.traits)
        request = _request(info, asked, named, found)
        await open_request(connection, request, stated)
    return request_of(request)


async def extend(info: Info, id_: str, reason: str) -> PrivacyRequest | InvalidInput | NotFound:
    """Put off a request's due date, as the law allows once."""
    workspace, now = info.context.caller.principal.workspace, info.context.services.clock()
    async with info.context.services.database.workspace(workspace) as connection:
        request = await read_request(connection, workspace, uuid_of("PrivacyRequest", id_))
        if request is None:
            return NotFound(code="not_found", message="There is no such request.", path=["input", "id"])
        later = deadlines(request.kind, request.regime, request.received_at).extended_due_at
        if not 1 <= len(reason) <= _LONGEST_REASON:
            return _invalid("reason", f"1 to {_LONGEST_REASON:,} characters that the person can be told.")
        if later is None:
            return _invalid("id", "The law allows no longer period for this kind of request.")
        if now > request.due_at:
            return _invalid("id", "A longer period must be told within the first one, which is over.")
        extended = await requests.extend_request(connection, workspace, request.id, due_at=later, reason=reason, at=now)
    return _invalid("id", "It is finished, or extended already.") if extended is None else request_of(extended)


async def find_request(info: Info, id_: str) -> PrivacyRequest | None:
    """Find one request, for an end user only among those that are about themselves."""
    caller = info.context.caller
    if not caller.principal.is_end_user:
        caller.require(Scope.PRIVACY_ADMIN, end_users=False)
    workspace = caller.principal.workspace
    async with info.context.services.database.workspace(workspace) as connection:
        request = await read_request(connection, workspace, uuid_of("PrivacyRequest", id_))
        if request is None:
            return None
        if caller.principal.is_end_user and not await _is_own(connection, caller, request):
            return None
    return request_of(request)


async def list_requests(
    info: Info, first: int, after: str | None, status: RequestStatus | None
) -> Connection[PrivacyRequest]:
    """Page through the workspace's requests, the newest first."""
    caller, database = info.context.caller, info.context.services.database
    workspace, sort = caller.principal.workspace, f"{_NEWEST} {status}"
    start = caller.cursors.read(sort, after, Place) if after else None
    size = page_size(first) + 1
    async with database.workspace(workspace) as connection:
        rows = await requests.list_requests(connection, workspace, size, after=start, status=status)

    async def count() -> int | None:
        async with database.workspace(workspace) as connection:
            return await requests.count_requests(connection, workspace, status, COUNTED + 1)

    return connect(
        rows,
        first,
        after,
        caller.cursors,
        sort,
        place=lambda row: Place(row.received_at, row.id),
        item=request_of,
        count=count,
    )


def _request(info: Info, asked: Asked, named: tuple[Alias, ...], found: Found) -> Request:
    principal, services = info.context.caller.principal, info.context.services
    now = services.clock()
    return Request(
        workspace=principal.workspace,
        id=uuid_utils.compat.uuid7(),
        kind=asked.kind,
        regime=asked.regime,
        actor=principal.actor,
        reason=asked.reason,
        named=named,
        profile_id=found.profiles[0] if found.profiles else None,
        received_at=now,
        due_at=deadlines(asked.kind, asked.regime, now, services.holidays).due_at,
    )


async def _seal(connection: Database, caller: Caller, found: Found, traits: Any) -> Sealed | None:
    """Seal new values at once: they are personal data, and rest until the builder comes."""
    subject = found.subjects[0]
    wrapped = (await read_keys(connection, caller.principal.workspace, [subject]))[subject]
    return Sealed(subject, caller.keys.sealer(subject, wrapped).seal(STATED, traits))


async def _is_own(connection: Database, caller: Caller, request: Request) -> bool:
    own = wanted(None, caller)
    if not isinstance(own, tuple):
        return False
    found = await find_person(connection, caller.principal.workspace, aliases=own)
    return not set(own).isdisjoint(caller.keys.everywhere(request.named)) or request.profile_id in found.profiles


def _check(asked: Asked) -> InvalidInput | None:
    if len(asked.reason) > _LONGEST_REASON:
        return _invalid("reason", f"At most {_LONGEST_REASON:,} characters.")
    if asked.kind is not RequestKind.RECTIFY and asked.traits is not None:
        return _invalid("traits", "Only a rectification takes new values.")
    if asked.kind is RequestKind.RECTIFY and not (isinstance(asked.traits, dict) and asked.traits):
        return _invalid("traits", "A rectification needs the new values by name.")
    if asked.traits is not None and None in asked.traits.values():
        return _invalid("traits", "A value may not be null; what shall go altogether is erased.")
    return None


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(code="invalid_request", message=message, path=["input", field])
