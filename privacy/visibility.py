"""What may be shown of what is stored: a field goes out of sight once all that it was collected for is refused."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from domain.consent import Consent, Purpose, State
from privacy.plan import Field, Plan

_GROUP: Final = "group."
_NECESSARY: Final = frozenset({Purpose.NECESSARY})

Fields = Mapping[str, Field]
Values = Mapping[str, Any]


def refused_purposes(consents: Iterable[Consent]) -> frozenset[Purpose]:
    """Name the purposes that a person's last word refuses, taken back or never given."""
    return frozenset(consent.purpose for consent in consents if consent.state is not State.GRANTED)


def shown_traits(plan: Plan, traits: Values, refused: frozenset[Purpose]) -> dict[str, Any]:
    """Leave out the traits whose every purpose is refused; what the plan no longer names goes with its call."""
    shown = {}
    for name, value in traits.items():
        is_group = name.startswith(_GROUP)
        rules = plan.rules_of("group" if is_group else "identify")
        own = name.removeprefix(_GROUP) if is_group else name
        for kept in _shown({own: value}, plan.traits, rules.purposes, refused, None).values():
            shown[name] = kept
    return shown


def shown_properties(
    plan: Plan, event: str, properties: Values, granted: frozenset[Purpose], refused: frozenset[Purpose]
) -> dict[str, Any]:
    """Leave out the properties whose every purpose is refused, of those that were `granted` when it was collected.

    `event` is a track's own name, else its call's.
    """
    rules = plan.rules_of(event)
    return _shown(properties, {**plan.fields, **rules.fields}, rules.purposes, refused, granted)


def _shown(
    values: Values,
    fields: Fields,
    around: frozenset[Purpose],
    refused: frozenset[Purpose],
    granted: frozenset[Purpose] | None,
) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in values.items():
        field = fields.get(name)
        purposes = around if field is None or field.purposes is None else field.purposes
        used = purposes if granted is None else purposes & (granted | _NECESSARY) or purposes
        if used <= refused:
            continue
        inside = field.fields if field else {}
        if isinstance(value, dict) and inside:
            shown[name] = _shown(value, inside, purposes, refused, granted)
        elif isinstance(value, list) and inside:
            shown[name] = [
                _shown(each, inside, purposes, refused, granted) if isinstance(each, dict) else each for each in value
            ]
        else:
            shown[name] = value
    return shown
