"""How long each event, field and trait is kept: pure, from the tracking plan and the age of what is stored.

What is kept for several purposes is kept as long as the one that needs it longest; only purposes that were granted
when it was collected count.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from domain.clock import from_micros
from domain.consent import Purpose
from privacy.fields import days_for
from privacy.plan import EventRules, Field, Plan

_GROUP: Final = "group."
_PLACES: Final = ("properties", "traits", "context")

Fields = Mapping[str, Field]
Values = dict[str, Any]


class StoredEvent(msgspec.Struct, frozen=True):
    """What the history keeps of an event, as far as time takes it away. `name` is a track's own, else its call's."""

    name: str
    received_at: datetime
    purposes: frozenset[Purpose]
    properties: Values
    traits: Values
    context: Values
    sealed: Values
    """By path from the event's root."""


class _Around(msgspec.Struct, frozen=True):
    days: int
    purposes: frozenset[Purpose]

    def within(self, field: Field) -> "_Around":
        return _Around(field.retention_days or self.days, self.purposes if field.purposes is None else field.purposes)


class Retention:
    """The limits of one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.stages: Final = _stages(plan)
        """Every number of days after which something may have to go, ascending."""

    @property
    def longest(self) -> timedelta:
        """After this nothing is left."""
        return timedelta(days=self.stages[-1])

    def event(self, event: StoredEvent, now: datetime) -> StoredEvent | None:
        """Return what may still be kept of an event: the same object if all of it, None if nothing."""
        rules = self._plan.rules_of(event.name)
        around = _Around(rules.retention_days or self._plan.retention_days, rules.purposes)
        age = now - event.received_at
        if self._is_over(around, event.purposes, age):
            return None
        fields: dict[str, Fields] = {
            "properties": {**self._plan.fields, **rules.fields},
            "traits": self._plan.traits,
            "context": self._plan.context,
        }
        parts = {
            place: self._values(getattr(event, place), fields[place], around, event.purposes, age) for place in _PLACES
        }
        parts["sealed"] = {
            path: frame
            for path, frame in event.sealed.items()
            if not self._path_is_over(path.split("."), fields, around, event.purposes, age)
        }
        if all(parts[name] == getattr(event, name) for name in parts):
            return event
        return msgspec.structs.replace(event, **parts)

    def traits(self, stated: Mapping[str, Values], now: datetime) -> dict[str, Values]:
        """Return the statements about a person, sealed or not, that may still be kept, by the time of each.

        `stated` is `{name: {"v": value, "t": microseconds, "p": purposes that were granted}}`; what an older statement
        does not say about purposes counts as all that the plan has.
        """
        kept = {}
        for name, statement in stated.items():
            rules, own = self._stating(name)
            around = _Around(rules.retention_days or self._plan.retention_days, rules.purposes)
            granted = frozenset(map(Purpose, statement["p"])) if "p" in statement else None
            age = now - from_micros(statement["t"])
            steps = ["traits", *own.split(".")]
            if self._path_is_over(steps, {"traits": self._plan.traits}, around, granted, age):
                continue
            field = self._plan.traits.get(own)
            value = statement.get("v")
            if isinstance(value, dict) and field is not None:
                inside = self._values(value, field.fields, around.within(field), granted, age)
                kept[name] = statement if inside == value else {**statement, "v": inside}
            else:
                kept[name] = statement
        return kept

    def _stating(self, name: str) -> tuple[EventRules, str]:
        """Tell which call states a trait, and the trait's name in the plan."""
        if name.startswith(_GROUP):
            return self._plan.rules_of("group"), name.removeprefix(_GROUP)
        return self._plan.rules_of("identify"), name

    def _values(
        self, values: Values, fields: Fields, around: _Around, granted: frozenset[Purpose] | None, age: timedelta
    ) -> Values:
        kept = {}
        for name, value in values.items():
            field = fields.get(name)
            if field is None:
                kept[name] = value
                continue
            own = around.within(field)
            if self._is_over(own, granted, age):
                continue
            if isinstance(value, dict):
                kept[name] = self._values(value, field.fields, own, granted, age)
            elif isinstance(value, list):
                kept[name] = [
                    self._values(each, field.fields, own, granted, age) if isinstance(each, dict) else each
                    for each in value
                ]
            else:
                kept[name] = value
        return kept

    def _path_is_over(
        self,
        steps: list[str],
        fields: Mapping[str, Fields],
        around: _Around,
        granted: frozenset[Purpose] | None,
        age: timedelta,
    ) -> bool:
        """Judge what stands at a path; the ids of a call, which no field describes, go with their event."""
        place, *names = steps
        inside: Fields = fields.get(place, {})
        for name in names:
            field = inside.get(name)
            if field is None:
                break
            around, inside = around.within(field), field.fields
        return self._is_over(around, granted, age)

    def _is_over(self, around: _Around, granted: Collection[Purpose] | None, age: timedelta) -> bool:
        uses = around.purposes if granted is None else around.purposes & frozenset(granted)
        days = max((days_for(self._plan, around.days, purpose) for purpose in uses), default=around.days)
        return age >= timedelta(days=days)


def _stages(plan: Plan) -> tuple[int, ...]:
    days = {plan.retention_days, *plan.retention_by_purpose.values()}
    for rules in (plan.default, *plan.events.values()):
        days.update([rules.retention_days or plan.retention_days, *_days_of(rules.fields)])
    for fields in (plan.fields, plan.traits, plan.context):
        days.update(_days_of(fields))
    return tuple(sorted(days))


def _days_of(fields: Fields) -> set[int]:
    found = {field.retention_days for field in fields.values() if field.retention_days}
    return found.union(*(_days_of(field.fields) for field in fields.values()))
