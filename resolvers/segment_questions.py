"""What can be asked about segments: why, since when, how many, and what would have been."""

from datetime import date, datetime
from typing import Final

import strawberry
from strawberry.scalars import JSON

from domain.errors import Refused
from domain.key import Scope
from domain.segment import ChangeKind
from profiles.questions import Asked, DryRun, Preview
from profiles.segments.schema import definition_schema
from profiles.segments.templates import TEMPLATES, as_json
from profiles.segments.text import as_text
from resolvers.connection import After, Connection, First, connect, page_size
from resolvers.context import Info
from resolvers.counts import EVERYONE, Teller, question_of, teller
from resolvers.editing import read_definition
from resolvers.fields import field
from resolvers.moment import in_utc
from resolvers.node import uuid_of
from resolvers.permissions import needs
from resolvers.profile import ProfileBy, find_profile
from resolvers.segment import Segment, segment_of
from stores.reads import moves

strawberry.enum(ChangeKind, name="SegmentMoveKind", description="Which way a membership changed.")

_NEWEST: Final = "moves by newest"
_READS: Final = (Scope.SEGMENTS_READ, Scope.PROFILES_READ)


@strawberry.type
class SegmentTemplate:
    """A ready-made segment, to be saved as it is or changed first."""

    key: str
    name: str
    description: str
    definition: JSON
    text: str


@strawberry.type
class SegmentDefinition:
    """A definition in both of its forms."""

    definition: JSON
    text: str


@strawberry.type
class SegmentReason:
    """One condition of a definition, and what there is of it."""

    place: str = strawberry.field(description="In the definition: `children[1]`; empty where it is the whole.")
    text: str
    holds: bool
    decisive: bool = strawberry.field(
        description="Whether the answer rests on it: where someone is not in, these are what is missing."
    )
    actual: float | None = strawberry.field(
        description="What was counted or added up, or how many steps were taken; null for a trait."
    )
    changes_at: datetime | None = strawberry.field(description="When it changes if nothing happens.")
    events: list[str] | None = strawberry.field(
        description="The message ids of the newest events that it looks at; null without the scope `events:read`."
    )


@strawberry.type
class SegmentExplanation:
    """Why a person is in a segment, or is not."""

    segment: Segment
    member: bool = strawberry.field(description="Whether they are in it.")
    entered_at: datetime | None
    cause: JSON | None = strawberry.field(description="What led to it: an event, a timer, a build, a merge.")
    holds: bool = strawberry.field(
        description="Whether the newest definition holds, by the person's events; it may be ahead of `member`."
    )
    changes_at: datetime | None = strawberry.field(description="When they enter or leave if nothing happens.")
    reasons: list[SegmentReason]


@strawberry.type
class SegmentMove:
    """That a person entered or left a segment."""

    segment_key: str
    segment_version: int
    kind: ChangeKind
    at: datetime
    cause: JSON


@strawberry.type
class SegmentPreview:
    """How many a definition would hold now."""

    size: int | None = strawberry.field(description="Exact, or an estimate; as little told as of a segment's size.")
    margin: int | None = strawberry.field(
        description="0 where everyone was looked at; else the true number is so near in 95 of 100 cases."
    )
    examined: int | None = strawberry.field(description="How many people were looked at.")
    population: int | None


@strawberry.type
class SegmentDay:
    """Entries and exits of one day, UTC."""

    day: date
    entered: int | None
    exited: int | None


@strawberry.type
class SegmentDryRun:
    """What a definition would have done to the people who were looked at."""

    days: list[SegmentDay]
    members: int | None = strawberry.field(description="At the end.")
    examined: int | None
    population: int | None


@strawberry.type
class SegmentQueries:
    """The part of the root that is about segments before and behind their members."""

    @field(needs(Scope.SEGMENTS_READ))
    def segment_templates(self) -> list[SegmentTemplate]:
        """Ready-made segments."""
        return [
            SegmentTemplate(
                key=each.key,
                name=each.name,
                description=each.description,
                definition=JSON(each.document),
                text=each.text,
            )
            for each in TEMPLATES
        ]

    @field(needs(Scope.SEGMENTS_READ))
    def segment_schema(self) -> JSON:
        """The JSON Schema of definitions."""
        return JSON(definition_schema())

    @field(needs(Scope.SEGMENTS_READ))
    def segment_definition(self, definition: JSON) -> SegmentDefinition:
        """Read a definition, JSON or words, and give it in both forms. A mistake is told with its place."""
        read = read_definition(definition)
        return SegmentDefinition(definition=JSON(as_json(read)), text=as_text(read))

    @field(needs(Scope.SEGMENTS_READ))
    async def preview_segment(self, info: Info, definition: JSON) -> SegmentPreview:
        """Count whom a definition, JSON or words, would hold now, before it is saved."""
        read = read_definition(definition)
        services, workspace = info.context.services, info.context.caller.principal.workspace
        async with services.database.workspace(workspace) as connection:
            asked = await Asked.definition(connection, workspace, read)
            preview = await asked.preview(services.clock())
        return _preview(await teller(info), preview, question_of(as_json(read)))

    @field(needs(Scope.SEGMENTS_READ))
    async def rehearse_segment(
        self, info: Info, definition: JSON, since: datetime, until: datetime | None = None
    ) -> SegmentDryRun:
        """Replay recorded traffic, and tell what a definition, JSON or words, would have done with it."""
        read = read_definition(definition)
        services, workspace = info.context.services, info.context.caller.principal.workspace
        start, end = in_utc(since), in_utc(until) or services.clock()
        if start is None or start >= end:
            raise Refused("A dry run ends after it begins.")
        async with services.database.workspace(workspace) as connection:
            asked = await Asked.definition(connection, workspace, read)
            run = await asked.rehearse(start, end)
        return _dry_run(await teller(info), run, question_of(as_json(read)))

    @field(needs(*_READS))
    async def explain_segment(self, info: Info, key: str, by: ProfileBy) -> SegmentExplanation | None:
        """Tell whether a person is in a segment, since when and why; or what is missing, and what time will change."""
        profile, row = await find_profile(info, by), await info.context.loaders.segment_of_key.load(key)
        if profile is None or row is None:
            return None
        services, workspace = info.context.services, info.context.caller.principal.workspace
        async with services.database.workspace(workspace) as connection:
            asked = await Asked.saved(connection, workspace, key)
            explanation = await asked.explain(profile.row.id, services.clock()) if asked else None
        if explanation is None:
            return None
        memberships = await info.context.loaders.memberships.load(profile.row.id)
        held = next((each for each in memberships if each.segment.key == key), None)
        sees_events = Scope.EVENTS_READ in info.context.caller.principal.scopes
        return SegmentExplanation(
            segment=segment_of(row),
            member=held is not None,
            entered_at=held.entered_at if held else None,
            cause=JSON(held.cause) if held else None,
            holds=explanation.holds,
            changes_at=explanation.changes_at,
            reasons=[
                SegmentReason(
                    place=each.place,
                    text=each.text,
                    holds=each.holds,
                    decisive=each.decisive,
                    actual=each.actual,
                    changes_at=each.changes_at,
                    events=list(each.events) if sees_events else None,
                )
                for each in explanation.reasons
            ],
        )

    @field(needs(*_READS))
    async def segment_history(
        self, info: Info, by: ProfileBy, key: str | None = None, first: First = 20, after: After = None
    ) -> Connection[SegmentMove]:
        """When a person entered and left segments, or one of them; the newest first, as long as changes are kept."""
        cursors, profile = info.context.caller.cursors, await find_profile(info, by)
        if profile is None:
            raise Refused(code="not_found")
        sort = f"{_NEWEST} {uuid_of('Profile', profile.id)} {key or ''}"
        start = cursors.read(sort, after, int) if after else None
        services, workspace = info.context.services, info.context.caller.principal.workspace
        async with services.database.workspace(workspace) as connection:
            rows = await moves.moves_of(connection, profile.row.id, key, page_size(first) + 1, start)

        async def count() -> int | None:
            return None

        return connect(rows, first, after, cursors, sort, place=lambda row: row.id, item=_move, count=count)


def _move(row: moves.MoveRow) -> SegmentMove:
    return SegmentMove(
        segment_key=row.segment_key,
        segment_version=row.segment_version,
        kind=row.kind,
        at=row.at,
        cause=JSON(row.cause),
    )


def _preview(numbers: Teller, preview: Preview, question: str) -> SegmentPreview:
    size = numbers.tell(preview.size, question, own=True)
    return SegmentPreview(
        size=size,
        margin=None if size is None else numbers.margin(preview.margin),
        examined=numbers.tell(preview.examined, EVERYONE),
        population=numbers.tell(preview.population, EVERYONE),
    )


def _dry_run(numbers: Teller, run: DryRun, question: str) -> SegmentDryRun:
    return SegmentDryRun(
        days=[
            SegmentDay(
                day=each.day,
                entered=numbers.tell(each.entered, f"{question} entered {each.day}", own=True),
                exited=numbers.tell(each.exited, f"{question} exited {each.day}", own=True),
            )
            for each in run.days
        ],
        members=numbers.tell(run.members, question, own=True),
        examined=numbers.tell(run.examined, EVERYONE),
        population=numbers.tell(run.population, EVERYONE),
    )
