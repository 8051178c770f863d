"""Whether personal data may leave: by the tracking plan's word on the field, and by the person's own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from domain.consent import CONSENTABLE, Purpose, State
from privacy.plan import Egress, Field, Kind, Plan

_OF_PERSON: Final = "traits"
_OF_GROUP: Final = "group"
_SITE_ID: Final = Field(Kind.ID, purposes=frozenset(CONSENTABLE), sensitive=True, egress=Egress.TOKEN)
SITE_IDS: Final = MappingProxyType({"user_id": _SITE_ID, "group_id": _SITE_ID})
"""What a site calls a person and their group: sealed in every event, and not for the plan to annotate."""


class Release(msgspec.Struct, frozen=True):
    """The rules of one sealed field."""

    kind: Kind
    purposes: frozenset[Purpose]
    egress: frozenset[Egress]


def release_of(plan: Plan, path: str) -> Release | None:
    """Give the rules of the sealed field at `path`: `traits.email`, `group.name`, `user_id`; None for no such field."""
    if path in SITE_IDS:
        return _release(SITE_IDS[path], frozenset())
    place, *names = path.split(".")
    call = {_OF_PERSON: "identify", _OF_GROUP: "group"}.get(place)
    if call is None or not names:
        return None
    fields, purposes = plan.traits, plan.events.get(call, plan.default).purposes
    for name in names[:-1]:
        parent = fields.get(name)
        if parent is None:
            return None
        fields, purposes = parent.fields, purposes if parent.purposes is None else parent.purposes
    field = fields.get(names[-1])
    return _release(field, purposes) if field is not None and field.sealed else None


def is_granted(purpose: Purpose, consent: Mapping[Purpose, State]) -> bool:
    """Tell whether a person's stored last word allows a purpose. What is necessary needs none."""
    return purpose is Purpose.NECESSARY or consent.get(purpose) is State.GRANTED


def _release(field: Field, inherited: frozenset[Purpose]) -> Release:
    return Release(field.kind, inherited if field.purposes is None else field.purposes, field.egress_forms)
