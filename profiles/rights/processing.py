"""What the tracking plan says about a person's data: what each field is for, on which basis, how long, and for whom."""

from collections.abc import Mapping
from typing import Any, Final

from domain.consent import Purpose
from privacy.plan import Egress, Field, Plan

_SOURCE: Final = (
    "Collected by the operator's websites and applications from the person's own devices, and by the operator's own "
    "systems; each event names the library that sent it."
)
_LOGIC: Final = (
    "Segments are rules over traits and over how often events happened; each is listed with its rule and with what led "
    "to it. No decision with legal or similar effect is made by this system alone."
)


def describe_processing(plan: Plan) -> dict[str, Any]:
    """Describe a plan to those whose data it is about (GDPR 15(1))."""
    inherited = frozenset(purpose for event in [plan.default, *plan.events.values()] for purpose in event.purposes)
    return {
        "source": _SOURCE,
        "profiling": _LOGIC,
        "traits": _fields(
            plan.traits, plan.events["identify"].purposes if "identify" in plan.events else inherited, plan
        ),
        "properties": _fields(plan.fields, inherited, plan),
        "context": _fields(plan.context, inherited, plan),
        "events": {
            name: {
                "purposes": sorted(event.purposes),
                "retention_days": event.retention_days or plan.retention_days,
                "properties": _fields(event.fields, event.purposes, plan),
            }
            for name, event in plan.events.items()
        },
    }


def _fields(fields: Mapping[str, Field], inherited: frozenset[Purpose], plan: Plan) -> dict[str, Any]:
    return {
        name: {
            "purposes": sorted(inherited if field.purposes is None else field.purposes),
            "basis": field.basis.value,
            "retention_days": field.retention_days or plan.retention_days,
            "sealed": field.sealed,
            "recipients": [] if field.egress is Egress.NONE else [f"partners of the operator, {field.egress.value}"],
        }
        for name, field in fields.items()
    }
