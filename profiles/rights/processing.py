"""What the tracking plan says about a person's data: what each field is for, on which basis, how long, and for whom."""

from typing import Any, Final

import msgspec

from privacy.fields import resolved_fields
from privacy.plan import Plan

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
    return {
        "source": _SOURCE,
        "profiling": _LOGIC,
        "fields": [
            {
                "event": field.event,
                "path": field.path,
                "uses": msgspec.to_builtins(field.uses),
                "sealed": field.sealed,
                "recipients": field.recipients,
            }
            for field in resolved_fields(plan)
        ],
    }
