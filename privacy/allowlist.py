"""What the tag may send, in few bytes: the part of the tracking plan that a browser needs to leave the rest at home."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from domain.consent import Purpose
from privacy.plan import EventRules, Field, Plan

_BITS: Final = {purpose: 1 << place for place, purpose in enumerate(Purpose)}
_READ_FIRST: Final = ("consent", "consentManagement", "dropped")
"""Parts of the context that the gateway reads before the plan comes to bear."""


def allow_list(plan: Plan) -> dict[str, Any]:
    """Write the allow-list of a plan, in the words of `AllowList` in the tag's `types/index.d.ts`.

    Purposes are sums of bits, by their place in `purposes`; 0 are those around. A field that has fields is a list of
    its purposes and these. `necessary` is the first bit, which is always granted.
    """
    return {
        "purposes": list(Purpose),
        "strict": plan.mode == "drop",
        "default": _event(plan, plan.default),
        "events": {name: _event(plan, rules) for name, rules in plan.events.items()},
        "fields": _fields(plan.fields),
        "traits": _fields(plan.traits),
        "context": _fields(plan.context) | dict.fromkeys(_READ_FIRST, _BITS[Purpose.NECESSARY]),
    }


def _event(plan: Plan, rules: EventRules) -> list[Any]:
    return [_sum(purpose for purpose in rules.purposes if plan.basis(rules, purpose)), _fields(rules.fields)]


def _fields(fields: Mapping[str, Field]) -> dict[str, Any]:
    return {name: _field(field) for name, field in fields.items()}


def _field(field: Field) -> Any:
    purposes = _sum(field.purposes or ())
    # What is sealed is sealed whole.
    return [purposes, _fields(field.fields)] if field.fields and not field.sealed else purposes


def _sum(purposes: Iterable[Purpose]) -> int:
    return sum(_BITS[purpose] for purpose in purposes)
