"""What the tracking plan says of each field once all that is inherited is filled in.

The record of processing, the map of a person's data and what GraphQL tells of the plan are made from this one list.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from domain.consent import Purpose
from privacy.plan import Basis, Egress, EventRules, Field, Kind, Plan


class Place(StrEnum):
    """The parts of an event that fields stand in."""

    PROPERTIES = "properties"
    TRAITS = "traits"
    CONTEXT = "context"


class Use(msgspec.Struct, frozen=True):
    """What a field is kept for: on which basis, and how many days at most."""

    purpose: Purpose
    basis: Basis
    retention_days: int


class ResolvedField(msgspec.Struct, frozen=True):
    """One field with nothing left open. `event` is None where it may stand in any event."""

    event: str | None
    place: Place
    path: str
    """From the event's root: `properties.products.sku`."""
    kind: Kind
    sensitive: bool
    sealed: bool
    uses: tuple[Use, ...]
    """One per purpose that has a basis, in the order of their names."""
    egress: tuple[Egress, ...]
    recipients: tuple[str, ...]

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """What it may be kept for."""
        return tuple(use.purpose for use in self.uses)

    @property
    def bases(self) -> tuple[Basis, ...]:
        """The bases of its purposes, each once."""
        return tuple(sorted({use.basis for use in self.uses}))

    @property
    def retention_days(self) -> int:
        """How long it is kept at most: as long as the purpose that needs it longest."""
        return max((use.retention_days for use in self.uses), default=0)


class _Around(msgspec.Struct, frozen=True):
    """What a field inherits."""

    rules: EventRules
    purposes: frozenset[Purpose]
    retention_days: int
    recipients: tuple[str, ...]
    basis: Basis | None = None


NO_RULES: Final = EventRules(frozenset())


def resolved_fields(plan: Plan) -> tuple[ResolvedField, ...]:
    """List every field of a plan, nested ones after the one around them.

    A field that may stand in any event inherits what any event allows: all their purposes, the longest retention.
    """
    every = [plan.default, *plan.events.values()]
    anywhere = _Around(
        rules=NO_RULES,
        purposes=frozenset().union(*(rules.purposes for rules in every)),
        retention_days=max(rules.retention_days or plan.retention_days for rules in every),
        recipients=plan.recipients,
    )
    return (
        *_walk(plan, None, Place.PROPERTIES, plan.fields, anywhere),
        *_walk(plan, None, Place.TRAITS, plan.traits, anywhere),
        *_walk(plan, None, Place.CONTEXT, plan.context, anywhere),
        *(
            field
            for name, rules in {**plan.events, "default": plan.default}.items()
            for field in _walk(plan, name, Place.PROPERTIES, rules.fields, _of_event(plan, rules))
        ),
    )


def days_for(plan: Plan, days: int, purpose: Purpose) -> int:
    """Tell how long what is kept for `days` may serve one purpose."""
    return min(days, plan.retention_by_purpose.get(purpose, days))


def _of_event(plan: Plan, rules: EventRules) -> _Around:
    return _Around(rules, rules.purposes, rules.retention_days or plan.retention_days, plan.recipients)


def _walk(
    plan: Plan, event: str | None, place: Place, fields: Mapping[str, Field], around: _Around, *, prefix: str = ""
) -> Iterator[ResolvedField]:
    for name, field in fields.items():
        path = f"{prefix or place}.{name}"
        own = _Around(
            rules=around.rules,
            purposes=around.purposes if field.purposes is None else field.purposes,
            retention_days=field.retention_days or around.retention_days,
            recipients=field.recipients or around.recipients,
            basis=field.basis or around.basis,
        )
        yield ResolvedField(
            event=event,
            place=place,
            path=path,
            kind=field.kind,
            sensitive=field.sensitive,
            sealed=field.sealed,
            uses=tuple(
                Use(purpose, basis, days_for(plan, own.retention_days, purpose))
                for purpose in sorted(own.purposes)
                if (basis := own.basis or plan.basis(own.rules, purpose)) is not None
            ),
            egress=tuple(sorted(field.egress_forms)),
            recipients=own.recipients,
        )
        yield from _walk(plan, event, place, field.fields, own, prefix=path)
