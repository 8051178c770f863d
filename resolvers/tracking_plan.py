"""The tracking plan, what it makes of each field, and what it costs those who have not named their fields."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, cast

import strawberry
from strawberry.scalars import JSON

from domain.consent import Purpose
from domain.errors import Refused
from domain.key import Scope
from privacy.fields import ResolvedField, resolved_fields
from privacy.plan import Basis, Egress, Kind, read_plan
from privacy.record import Activity, Record, record_of_processing
from resolvers.context import Info
from resolvers.fields import field, mutation
from resolvers.moment import in_utc
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, VersionConflict
from stores import plans
from stores.losses import read_losses
from stores.plans import StoredPlan

strawberry.enum(Kind, name="FieldKind", description="What a field holds, which decides how it is protected.")
strawberry.enum(Basis, name="LawfulBasis", description="What allows data to be kept for a purpose.")
strawberry.enum(Egress, name="EgressForm", description="The form in which a field may leave for another system.")

_GREATEST: Final = 2**31 - 1
_MOST_LOSSES: Final = 1_000
_MAY_READ: Final = frozenset({Scope.PROFILES_READ, Scope.PRIVACY_ADMIN})
_LATELY: Final = timedelta(days=7)


@strawberry.type
class FieldUse:
    """What a field is kept for."""

    purpose: Purpose
    basis: Basis
    retention_days: int


@strawberry.type
class PlannedField:
    """One field of the tracking plan, with all that it inherits."""

    event: str | None = strawberry.field(description="The only event that has it; null: any event may.")
    path: str = strawberry.field(description="From the event's root: `properties.products.sku`.")
    kind: Kind
    sensitive: bool
    sealed: bool = strawberry.field(description="Whether only the person's own key opens it.")
    uses: list[FieldUse]
    purposes: list[Purpose]
    basis: list[Basis] = strawberry.field(description="The bases of its purposes, each once.")
    retention_days: int = strawberry.field(description="As long as the purpose that needs it longest.")
    egress: list[Egress]
    recipients: list[str]


@strawberry.type
class TrackingPlan:
    """What may be collected, and what for. Nothing that it does not name is kept."""

    stored: strawberry.Private[StoredPlan]
    version: int

    @field()
    def document(self) -> JSON:
        """The plan as it was written."""
        return JSON(self.stored.document)

    @field()
    def fields(self) -> list[PlannedField]:
        """Every field it names, nested ones after the one around them."""
        return [_field(each) for each in resolved_fields(read_plan(self.stored.document))]


@strawberry.type
class DroppedField:
    """A field that was left out of events: its name, never a value."""

    path: str = strawberry.field(description="A name that could be a value itself is given as `?`.")
    reason: str = strawberry.field(description="`unannotated`, `no_purpose` or `wrong_type`.")
    count: int = strawberry.field(description="How many times.")
    last_seen_at: datetime


@strawberry.type
class ProcessingActivity:
    """All processing for one purpose."""

    purpose: Purpose
    bases: list[Basis]
    categories_of_data: list[str]
    categories_of_persons: list[str]
    recipients: list[str]
    retention_days: int
    fields: list[str]


@strawberry.type
class DataController:
    """Who answers for the data."""

    name: str
    address: str
    contact: str
    representative: str
    protection_officer: str


@strawberry.type
class RecordOfProcessing:
    """The record that article 30 of the GDPR asks for, made from the tracking plan."""

    plan_version: int
    controller: DataController
    activities: list[ProcessingActivity]
    security_measures: list[str]


@strawberry.input
class SaveTrackingPlanInput:
    """A plan to put in the place of the present one."""

    document: JSON
    expected_version: int | None = strawberry.field(
        default=None, description="Save only if this is still the version that is in force."
    )
    client_mutation_id: str | None = None


@strawberry.type
class TrackingPlanPayload:
    """The plan was saved; every gateway goes by it within five seconds."""

    tracking_plan: TrackingPlan
    client_mutation_id: str | None


SaveTrackingPlanResult = Annotated[
    TrackingPlanPayload | InvalidInput | VersionConflict, strawberry.union("SaveTrackingPlanResult")
]


@strawberry.type
class PlanQueries:
    """What can be asked about the tracking plan."""

    @field(needs())
    async def tracking_plan(self, info: Info) -> TrackingPlan | None:
        """What may be collected, and what for. Needs the scope `profiles:read` or `privacy:admin`."""
        if not info.context.caller.principal.scopes & _MAY_READ:
            raise Refused(f"The key lacks the scope {Scope.PROFILES_READ}.", code="missing_scope")
        stored = await _newest(info)
        return TrackingPlan(stored=stored, version=stored.version) if stored else None

    @field(needs(Scope.PRIVACY_ADMIN))
    async def record_of_processing(self, info: Info) -> RecordOfProcessing | None:
        """The record of processing activities, as the tracking plan has it now."""
        stored = await _newest(info)
        if stored is None:
            return None
        controller = (await info.context.policy()).settings.controller
        return _record(record_of_processing(read_plan(stored.document), stored.version, controller))

    @field(needs(Scope.PRIVACY_ADMIN))
    async def dropped_fields(self, info: Info, since: datetime | None = None) -> list[DroppedField]:
        """The fields that were left out since the day of `since`, by default for a week; the most frequent first."""
        services, workspace = info.context.services, info.context.caller.principal.workspace
        start = in_utc(since) or services.clock() - _LATELY
        async with services.database.workspace(workspace) as connection:
            found = await read_losses(connection, workspace, start, _MOST_LOSSES)
        return [
            DroppedField(
                path=each.path, reason=each.reason, count=min(each.count, _GREATEST), last_seen_at=each.last_seen_at
            )
            for each in found
        ]


@strawberry.type
class PlanMutations:
    """What can be changed about the tracking plan."""

    @mutation(needs(Scope.PRIVACY_ADMIN))
    async def save_tracking_plan(self, info: Info, input: SaveTrackingPlanInput) -> SaveTrackingPlanResult:  # noqa: A002 - Relay's name
        """Put a new version of the tracking plan in force. What it no longer names is no longer kept."""
        try:
            read_plan(input.document)
        except Refused as error:
            return InvalidInput(code=error.code, message=str(error), path=["input", "document"])
        saved = await _save(info, cast("dict[str, Any]", input.document), input.expected_version)
        if isinstance(saved, VersionConflict):
            return saved
        plan = TrackingPlan(stored=saved, version=saved.version)
        return TrackingPlanPayload(tracking_plan=plan, client_mutation_id=input.client_mutation_id)


async def _newest(info: Info) -> StoredPlan | None:
    workspace = info.context.caller.principal.workspace
    async with info.context.services.database.workspace(workspace) as connection:
        return await plans.read_newest_plan(connection, workspace)


async def _save(info: Info, document: dict[str, Any], expected: int | None) -> StoredPlan | VersionConflict:
    services, workspace = info.context.services, info.context.caller.principal.workspace
    async with services.database.workspace(workspace) as connection, connection.transaction():
        await plans.hold_plans(connection, workspace)
        newest = await plans.read_newest_plan(connection, workspace)
        current = newest.version if newest else 0
        if expected is not None and expected != current:
            return VersionConflict(
                code="conflict",
                message=f"The tracking plan is at version {current}.",
                path=["input", "expectedVersion"],
                current_version=current,
            )
        if newest and newest.document == document:
            return newest
        now = services.clock()
        version = await plans.add_plan(connection, workspace, document, now)
    return StoredPlan(version, document, now)


def _field(resolved: ResolvedField) -> PlannedField:
    return PlannedField(
        event=resolved.event,
        path=resolved.path,
        kind=resolved.kind,
        sensitive=resolved.sensitive,
        sealed=resolved.sealed,
        uses=[
            FieldUse(purpose=use.purpose, basis=use.basis, retention_days=use.retention_days) for use in resolved.uses
        ],
        purposes=list(resolved.purposes),
        basis=list(resolved.bases),
        retention_days=resolved.retention_days,
        egress=list(resolved.egress),
        recipients=list(resolved.recipients),
    )


def _record(record: Record) -> RecordOfProcessing:
    controller = record.controller
    return RecordOfProcessing(
        plan_version=record.plan_version,
        controller=DataController(
            name=controller.name,
            address=controller.address,
            contact=controller.contact,
            representative=controller.representative,
            protection_officer=controller.protection_officer,
        ),
        activities=[_activity(each) for each in record.activities],
        security_measures=list(record.security_measures),
    )


def _activity(activity: Activity) -> ProcessingActivity:
    return ProcessingActivity(
        purpose=activity.purpose,
        bases=list(activity.bases),
        categories_of_data=list(activity.categories_of_data),
        categories_of_persons=list(activity.categories_of_persons),
        recipients=list(activity.recipients),
        retention_days=activity.retention_days,
        fields=list(activity.fields),
    )
