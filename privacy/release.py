"""Whether personal data may leave: by the tracking plan's word on the field, and by the person's own."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from domain.consent import CONSENTABLE, Purpose, State
from privacy.plan import Egress, EventRules, Field, Kind, Plan

_OF_PERSON: Final = "traits"
_OF_GROUP: Final = "group"
_SITE_ID: Final = Field(Kind.ID, purposes=frozenset(CONSENTABLE), egress=Egress.TOKEN)
SITE_IDS: Final = MappingProxyType({"user_id": _SITE_ID, "group_id": _SITE_ID})
"""What a site calls a person and their group: sealed in every event, and not for the plan to annotate."""


class Release(msgspec.Struct, frozen=True):
    """The rules of one sealed field."""

    kind: Kind
    sensitive: bool
    purposes: frozenset[Purpose]
    """Those that have a basis."""
    egress: frozenset[Egress]


def release_of(plan: Plan, path: str) -> Release | None:
    """Give the rules of the sealed field at `path`: `traits.email`, `group.name`, `user_id`; None for no such field."""
    if path in SITE_IDS:
        return _release(plan, plan.default, [SITE_IDS[path]])
    place, *names = path.split(".")
    call = {_OF_PERSON: "identify", _OF_GROUP: "group"}.get(place)
    if call is None or not names:
        return None
    fields, trail = plan.traits, []
    for name in names:
        if name not in fields:
            return None
        trail.append(fields[name])
        fields = fields[name].fields
    return _release(plan, plan.rules_of(call), trail) if trail[-1].sealed else None


def is_granted(purpose: Purpose, consent: Mapping[Purpose, State]) -> bool:
    """Tell whether a person's stored last word allows a purpose. What is necessary needs none."""
    return purpose is Purpose.NECESSARY or consent.get(purpose) is State.GRANTED


def _release(plan: Plan, rules: EventRules, trail: Sequence[Field]) -> Release:
    """Fill in what the last field of a trail takes from those around it."""
    field, purposes, basis = trail[-1], rules.purposes, None
    for each in trail:
        purposes, basis = each.purposes or purposes, each.basis or basis
    founded = frozenset(purpose for purpose in purposes if basis or plan.basis(rules, purpose))
    return Release(field.kind, field.sensitive, founded, field.egress_forms)
