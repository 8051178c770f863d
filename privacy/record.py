"""The record of processing activities (GDPR, article 30(1)), made from the tracking plan."""

from collections.abc import Iterable
from typing import Final

import msgspec

from domain.consent import Purpose
from domain.workspace import Controller
from privacy.fields import ResolvedField, resolved_fields
from privacy.plan import Basis, Kind, Plan

PERSONS: Final = ("visitors and customers of the controller's sites and apps",)

MEASURES: Final = (
    "consent is asked field by field; without it nothing is kept",
    "identifiers are kept as keyed blind indexes only",
    "contact data and sensitive fields are sealed with AES-256-GCM under a key of the one person",
    "network addresses, user agents and page addresses are cut, free text is scrubbed, before anything is stored",
    "workspaces are kept apart by row-level security that holds for every role",
    "every look at personal data is written down before it is shown",
    "small counts are hidden and others rounded",
    "data is deleted when its time is over, field by field",
)
"""A general description of the security measures (articles 30(1)(g) and 32)."""

_CATEGORIES: Final = {
    Kind.EMAIL: "contact data",
    Kind.PHONE: "contact data",
    Kind.IP: "network data",
    Kind.UA: "device data",
    Kind.FREE_TEXT: "texts",
    Kind.URL: "visited addresses",
    Kind.ID: "identifiers",
}
_PLACES: Final = {"properties": "behaviour", "traits": "characteristics of the person", "context": "circumstances"}


class Activity(msgspec.Struct, frozen=True):
    """All processing for one purpose."""

    purpose: Purpose
    bases: tuple[Basis, ...]
    categories_of_data: tuple[str, ...]
    categories_of_persons: tuple[str, ...]
    recipients: tuple[str, ...]
    retention_days: int
    """The longest that anything is kept for this purpose."""
    fields: tuple[str, ...]
    """Paths, each once; one of a certain event with the event's name before it: `purchase: properties.total`."""


class Record(msgspec.Struct, frozen=True):
    """The whole record of one controller."""

    controller: Controller
    plan_version: int
    activities: tuple[Activity, ...]
    security_measures: tuple[str, ...]


def record_of_processing(plan: Plan, version: int, controller: Controller) -> Record:
    """Write down, purpose by purpose, what a plan lets be processed."""
    fields = resolved_fields(plan)
    activities = (_activity(purpose, fields) for purpose in Purpose)
    return Record(controller, version, tuple(each for each in activities if each is not None), MEASURES)


def _activity(purpose: Purpose, every: Iterable[ResolvedField]) -> Activity | None:
    uses = [(field, use) for field in every for use in field.uses if use.purpose is purpose]
    if not uses:
        return None
    return Activity(
        purpose=purpose,
        bases=tuple(sorted({use.basis for _, use in uses})),
        categories_of_data=tuple(sorted({category_of(field) for field, _ in uses})),
        categories_of_persons=PERSONS,
        recipients=tuple(sorted({recipient for field, _ in uses for recipient in field.recipients})),
        retention_days=max(use.retention_days for _, use in uses),
        fields=tuple(sorted({name_of(field) for field, _ in uses})),
    )


def category_of(field: ResolvedField) -> str:
    """Name the category of data that a field belongs to; sensitive ones are told apart."""
    category = _CATEGORIES.get(field.kind) or _PLACES[field.place]
    return f"{category}, sensitive" if field.sensitive else category


def name_of(field: ResolvedField) -> str:
    """Name a field with the event that it belongs to."""
    return field.path if field.event is None else f"{field.event}: {field.path}"


def as_markdown(record: Record) -> str:
    """Lay a record out for people."""
    lines = ["# Record of processing activities", "", f"Tracking plan, version {record.plan_version}.", ""]
    lines += ["## Controller", ""]
    for name, value in msgspec.structs.asdict(record.controller).items():
        lines.append(f"- {name.replace('_', ' ')}: {value or 'not set'}")
    for activity in record.activities:
        lines += ["", f"## {activity.purpose.value.replace('_', ' ').capitalize()}", ""]
        lines += [
            f"- basis: {_words(activity.bases)}",
            f"- categories of data: {_words(activity.categories_of_data)}",
            f"- categories of persons: {_words(activity.categories_of_persons)}",
            f"- recipients: {_words(activity.recipients)}",
            f"- kept for at most: {activity.retention_days} days",
            f"- fields: {', '.join(f'`{name}`' for name in activity.fields)}",
        ]
    lines += ["", "## Security measures", "", *(f"- {measure}" for measure in record.security_measures), ""]
    return "\n".join(lines)


def _words(values: Iterable[str]) -> str:
    return "; ".join(value.replace("_", " ") for value in values)
