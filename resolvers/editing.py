"""How a segment is created, edited and deleted."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import msgspec

from domain.errors import Refused
from domain.segment import Definition, SegmentStatus
from profiles.segments.definition import parse_definition
from profiles.segments.references import check_references, speakers
from profiles.segments.templates import as_json
from profiles.segments.words import parse_text
from resolvers.context import Info
from resolvers.problems import InvalidInput, NotFound, VersionConflict
from resolvers.segment import Segment, segment_of
from stores import definitions
from stores.definitions import Draft
from stores.postgres import Connection
from stores.reads.segments import SegmentRow

_KEY: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LONGEST: Final = {"name": 200, "description": 2_000}


class Edit(msgspec.Struct, frozen=True):
    """What a caller wants a segment to be; None leaves what there is."""

    key: str
    name: str | None
    description: str | None
    definition: Any
    expected_version: int | None


async def save(info: Info, edit: Edit) -> Segment | InvalidInput | NotFound | VersionConflict:
    """Create or edit a segment and wake the builders."""
    if problem := _check(edit):
        return problem
    if isinstance(edit.definition, str):
        edit = msgspec.structs.replace(edit, definition=as_json(parse_text(edit.definition)))
    workspace = info.context.caller.principal.workspace
    async with info.context.services.database.workspace(workspace) as connection, connection.transaction():
        existing = await definitions.find_for_update(connection, edit.key)
        saved = await _apply(info, connection, existing, edit)
        if isinstance(saved, SegmentRow):
            await definitions.announce(connection, workspace)
    return segment_of(saved) if isinstance(saved, SegmentRow) else saved


def read_definition(raw: Any) -> Definition:
    """Read a definition that is given as JSON, or in words. Raises `Refused` with the place of a mistake."""
    return parse_text(raw) if isinstance(raw, str) else parse_definition(raw)


async def delete(info: Info, key: str) -> Segment | NotFound | InvalidInput:
    """Mark a segment for deletion and wake the builders. One that others speak of stays."""
    workspace = info.context.caller.principal.workspace
    async with info.context.services.database.workspace(workspace) as connection, connection.transaction():
        existing = await definitions.find_for_update(connection, key)
        if existing is None:
            return _not_found()
        if others := speakers(key, _readable(await definitions.read_all(connection))):
            problem = f"The segment {others[0]} speaks of this one."
            return InvalidInput(code="conflict", message=problem, path=["input", "key"])
        row = await definitions.mark_deleting(connection, existing.id, info.context.services.clock())
        await definitions.announce(connection, workspace)
    return segment_of(row)


async def _apply(
    info: Info, connection: Connection, existing: SegmentRow | None, edit: Edit
) -> SegmentRow | InvalidInput | NotFound | VersionConflict:
    draft = Draft(edit.key, edit.name, edit.description, edit.definition)
    now = info.context.services.clock()
    if problem := _misfit(existing, edit):
        return problem
    if edit.definition is not None:
        try:
            check_references(
                edit.key, parse_definition(edit.definition), _readable(await definitions.read_all(connection))
            )
        except Refused as error:
            return InvalidInput(code=error.code, message=str(error), path=["input", "definition"])
    if existing is None:
        return await definitions.create(connection, uuid4(), draft, now)
    is_same = edit.definition is None or edit.definition == existing.definition
    if is_same and (edit.definition is None or existing.status is not SegmentStatus.FAILED):
        return await definitions.rename(connection, existing.id, draft, now)
    return await definitions.redefine(connection, existing.id, draft, now)


def _misfit(existing: SegmentRow | None, edit: Edit) -> InvalidInput | NotFound | VersionConflict | None:
    """Say why an edit does not fit what there is."""
    expected = edit.expected_version
    if existing is None:
        if expected:
            return _not_found()
        if edit.definition is None:
            problem = "A new segment needs a definition."
            return InvalidInput(code="invalid_definition", message=problem, path=["input", "definition"])
        return None
    if existing.status is SegmentStatus.DELETING:
        return InvalidInput(code="conflict", message="This segment is being deleted.", path=["input", "key"])
    if expected is not None and expected != existing.version:
        return VersionConflict(
            code="conflict",
            message=f"The segment is at version {existing.version}.",
            path=["input", "expectedVersion"],
            current_version=existing.version,
        )
    return None


def _check(edit: Edit) -> InvalidInput | None:
    if not _KEY.fullmatch(edit.key):
        problem = "A key has 1 to 64 of a-z, 0-9, _ and -, and begins with a letter or digit."
        return InvalidInput(code="invalid_request", message=problem, path=["input", "key"])
    for field, longest in _LONGEST.items():
        if len(getattr(edit, field) or "") > longest:
            problem = f"At most {longest:,} characters."
            return InvalidInput(code="invalid_request", message=problem, path=["input", field])
    if edit.definition is not None:
        try:
            read_definition(edit.definition)
        except Refused as error:
            return InvalidInput(code=error.code, message=str(error), path=["input", "definition"])
    return None


def _readable(raw: Mapping[str, Any]) -> dict[str, Definition]:
    """Read what can be read of stored definitions."""
    found = {}
    for key, each in raw.items():
        with suppress(Refused):
            found[key] = parse_definition(each)
    return found


def _not_found() -> NotFound:
    return NotFound(code="not_found", message="There is no segment with this key.", path=["input", "key"])
