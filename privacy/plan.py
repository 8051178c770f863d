"""The tracking plan: what may be collected, field by field, and what for.

A workspace writes it as a JSON document. Nothing that the plan does not name is kept. What a field leaves open it takes
from what is around it; `privacy.fields` says of each field what that comes to.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from importlib import resources
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from domain.consent import Purpose
from domain.errors import Refused


class Kind(StrEnum):
    """What a field holds, which decides how it is protected."""

    EMAIL = "email"
    PHONE = "phone"
    IP = "ip"
    UA = "ua"
    FREE_TEXT = "free_text"
    URL = "url"
    ID = "id"
    PLAIN = "plain"


class Basis(StrEnum):
    """The lawful basis that data is kept on for a purpose (GDPR, article 6)."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    LEGITIMATE_INTEREST = "legitimate_interest"


class Egress(StrEnum):
    """A form in which the field may leave this system for another one."""

    NONE = "none"
    PLAIN = "plain"
    HASHED = "hashed"
    """The digest that an advertising platform expects."""
    TOKEN = "token"  # noqa: S105 - the word, not a secret
    """A token that only we can turn back."""


Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]
Recipient = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Recipients = Annotated[tuple[Recipient, ...], msgspec.Meta(min_length=1, max_length=20)]
"""Categories of those who get the data (GDPR, article 30); the controller is one."""
JsonType = Literal["string", "number", "integer", "boolean", "object", "array", "any"]

_TEXT_KINDS = frozenset({Kind.FREE_TEXT, Kind.URL, Kind.IP, Kind.UA})
_CONTEXT_KINDS = {"ip": Kind.IP, "userAgent": Kind.UA}
_DEEPEST = 4
_MOST_FIELDS = 2_000


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The annotation of one field.

    `purposes`, `basis`, `retention_days` and `recipients` of None are those of the field, event or plan around it.
    """

    kind: Kind
    type: JsonType | tuple[JsonType, ...] = "string"
    purposes: frozenset[Purpose] | None = None
    retention_days: Days | None = None
    sensitive: bool = False
    basis: Basis | None = None
    egress: Egress | tuple[Egress, ...] = Egress.NONE
    recipients: Recipients | None = None
    allow: tuple[str, ...] | None = None
    """Query parameters that stay in a web address instead of `utm_*`; a `*` at the end stands for anything."""
    fields: dict[str, "Field"] = {}
    """What an object, or each object in a list, may hold."""

    @property
    def types(self) -> tuple[JsonType, ...]:
        """All JSON types that the field may have."""
        return self.type if isinstance(self.type, tuple) else (self.type,)

    @property
    def egress_forms(self) -> frozenset[Egress]:
        """All forms in which the field may leave; none where it may not."""
        forms = self.egress if isinstance(self.egress, tuple) else (self.egress,)
        return frozenset(forms) - {Egress.NONE}

    @property
    def sealed(self) -> bool:
        """True when the value is readable only with the person's data key."""
        return self.sensitive or self.kind in (Kind.EMAIL, Kind.PHONE)


class EventRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event: what it may be used for, its own fields, and those that it must have."""

    purposes: frozenset[Purpose]
    fields: dict[str, Field] = {}
    required: tuple[str, ...] = ()
    retention_days: Days | None = None
    bases: dict[Purpose, Basis] = {}
    """Where the basis for a purpose is another than the plan's."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole tracking plan.

    `fields` may stand in the properties of any event, `traits` and `context` in the parts of those names. An event
    that `events` does not name is taken under `default` in the mode `flag`, and refused in the mode `drop`.
    """

    version: Literal[1]
    mode: Literal["flag", "drop"]
    retention_days: Days
    """How long a field is kept that neither says so itself nor stands in an event that does."""
    retention_by_purpose: Mapping[Purpose, Days]
    """How long data may serve a purpose at most: what has outlived all that it was granted for goes before its time."""
    bases: Mapping[Purpose, Basis]
    """The one basis of each purpose. Nothing is kept for a purpose that has none."""
    recipients: Recipients
    default: EventRules
    fields: dict[str, Field]
    traits: dict[str, Field]
    context: dict[str, Field]
    events: dict[str, EventRules]

    def rules_of(self, event: str) -> EventRules:
        """Give the rules of an event, by its own name if it was tracked, else by its call's."""
        return self.events.get(event, self.default)

    def basis(self, event: EventRules, purpose: Purpose) -> Basis | None:
        """Resolve the one basis of an event's purpose; None when there is none, and nothing may be kept for it."""
        return event.bases.get(purpose) or self.bases.get(purpose)


_DEFAULT_BASES = {
    purpose: Basis.LEGITIMATE_INTEREST if purpose is Purpose.NECESSARY else Basis.CONSENT for purpose in Purpose
}


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    mode: Literal["flag", "drop"] = "flag"
    retention_days: Days = 395
    retention_by_purpose: dict[Purpose, Days] = {}
    bases: dict[Purpose, Basis] = msgspec.field(default_factory=lambda: dict(_DEFAULT_BASES))
    recipients: Recipients = ("controller",)
    default: dict[str, Any] = msgspec.field(default_factory=lambda: {"purposes": ["analytics"]})
    fields: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] | None = None
    events: dict[str, Any] = {}


Shape = TypeVar("Shape")


def default_document() -> dict[str, Any]:
    """Give the plan document that a new workspace starts with."""
    text = resources.files("privacy").joinpath("plan_default.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def read_plan(document: object) -> Plan:
    """Turn a JSON document into a plan. Without `context`, the default plan's applies.

    Raises `Refused` with the place that is wrong, as `events.purchase.fields.total: …`.
    """
    raw = _convert(document, _Document, "plan")
    common = _read_fields("fields", raw.fields)
    plan = Plan(
        version=raw.version,
        mode=raw.mode,
        retention_days=raw.retention_days,
        retention_by_purpose=raw.retention_by_purpose,
        bases=raw.bases,
        recipients=raw.recipients,
        default=_read_event("default", raw.default, common),
        fields=common,
        traits=_read_fields("traits", raw.traits),
        context=_read_fields("context", default_document()["context"] if raw.context is None else raw.context),
        events={name: _read_event(f"events.{name}", event, common) for name, event in raw.events.items()},
    )
    for name, kind in _CONTEXT_KINDS.items():
        if name in plan.context and plan.context[name].kind is not kind:
            raise Refused(f"context.{name}: its kind must be {kind}")
    for name, event in {
        "default": plan.default,
        **{f"events.{each}": rules for each, rules in plan.events.items()},
    }.items():
        if not any(plan.basis(event, purpose) for purpose in event.purposes):
            raise Refused(f"{name}.purposes: none of them has a basis")
    if _count(plan) > _MOST_FIELDS:
        raise Refused(f"plan: may name {_MOST_FIELDS:,} fields at most")
    return plan


def _count(plan: Plan) -> int:
    def inside(fields: Mapping[str, Field]) -> int:
        return sum(1 + inside(field.fields) for field in fields.values())

    parts = [
        plan.fields,
        plan.traits,
        plan.context,
        plan.default.fields,
        *(rules.fields for rules in plan.events.values()),
    ]
    return sum(map(inside, parts))


def _read_event(place: str, document: object, common: dict[str, Field]) -> EventRules:
    if not isinstance(document, dict):
        raise Refused(f"{place}: must be an object")
    fields = _read_fields(f"{place}.fields", document.get("fields", {}))
    event = _convert({**document, "fields": {}}, EventRules, place)
    if not event.purposes:
        raise Refused(f"{place}.purposes: must name at least one purpose")
    if Purpose.NECESSARY in event.purposes:
        raise Refused(f"{place}.purposes: an event is about a person, which 'necessary' does not cover")
    for name in event.required:
        if name not in fields and name not in common:
            raise Refused(f"{place}.required: the plan does not annotate '{name}'")
    for name, field in fields.items():
        if field.purposes is not None and not field.purposes & (event.purposes | {Purpose.NECESSARY}):
            raise Refused(f"{place}.fields.{name}.purposes: shares none with its event, so it could never be kept")
    return msgspec.structs.replace(event, fields=fields)


def _read_fields(place: str, documents: object, *, depth: int = 1, in_list: bool = False) -> dict[str, Field]:
    if not isinstance(documents, dict):
        raise Refused(f"{place}: must be an object")
    if depth > _DEEPEST:
        raise Refused(f"{place}: fields may be nested {_DEEPEST} deep")
    return {
        name: _read_field(f"{place}.{name}", document, depth=depth, in_list=in_list)
        for name, document in documents.items()
    }


def _read_field(place: str, document: object, *, depth: int, in_list: bool) -> Field:
    if not isinstance(document, dict):
        raise Refused(f"{place}: must be an object")
    field = _convert({**document, "fields": {}}, Field, place)
    is_list = "array" in field.types
    children = _read_fields(f"{place}.fields", document.get("fields", {}), depth=depth + 1, in_list=in_list or is_list)
    if field.purposes is not None and not field.purposes:
        raise Refused(f"{place}.purposes: must name at least one purpose")
    if field.allow is not None and (field.kind is not Kind.URL or not all(each.strip("*") for each in field.allow)):
        raise Refused(f"{place}.allow: names query parameters, of the kind url only")
    if field.sealed and in_list:
        raise Refused(f"{place}: cannot be sealed inside a list; mark the list itself sensitive")
    if "object" in field.types and not children and not field.sealed:
        raise Refused(f"{place}: an object must name its fields, or be sensitive")
    if children and not {"object", "array"} & set(field.types):
        raise Refused(f"{place}.fields: only an object or a list of objects has fields")
    if field.kind in _TEXT_KINDS and not field.sealed and not set(field.types) <= {"string", "array"}:
        raise Refused(f"{place}.type: the kind {field.kind} holds strings")
    return msgspec.structs.replace(field, fields=children)


def _convert(document: object, shape: type[Shape], place: str) -> Shape:
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        raise Refused(f"{place}: {error}") from None
