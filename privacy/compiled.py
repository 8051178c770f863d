"""A tracking plan made ready for use: validators built once, rules built once per event and set of purposes."""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from functools import partial
from itertools import islice
from types import NoneType
from typing import Any, Final

import jsonschema_rs
import msgspec

from domain.alias import AliasKind
from domain.consent import Purpose
from domain.event import Call, CallType
from privacy.plan import EventRules, Field, JsonType, Kind, Plan
from privacy.reduce import AGENT_PARTS, CAMPAIGN, reduce_address, reduce_url, reduce_user_agent
from privacy.signals.sources import NAMES as CONSENT_FIELDS

_PROBLEMS_SHOWN: Final = 5
_PYTHON_TYPES: Final[Mapping[JsonType, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),  # JSON does not tell 1.0 from 1
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "any": (str, int, float, bool, dict, list),
}


class Act(Enum):
    """What is done with a value, told by its type alone."""

    KEEP = auto()
    """It stays as it is."""
    TEXT = auto()
    """It stays, unless as a whole it is an identifier that stands where none belongs."""
    SCRUB = auto()
    REDUCE = auto()
    SEAL = auto()
    ITEMS = auto()
    """A list, of which the items are kept by what they are."""
    FIELDS = auto()
    """An object whose fields have rules of their own."""
    PASS = auto()
    """Nothing is kept of it, and nothing was lost."""


class Rule(msgspec.Struct, frozen=True, gc=False):
    """How one field is kept. `path` names it from the event's root."""

    path: str
    acts: Mapping[type, Act]
    """By the Python type of the value; one of another type is not kept."""
    is_scrubbed: bool = False
    reduce: Callable[[str], Any] | None = None
    children: "Mapping[str, Rule] | None" = None


Rules = Mapping[str, Rule]


class Program(msgspec.Struct, frozen=True):
    """All rules for one event under one set of granted purposes. What has no rule is not kept."""

    purposes: tuple[Purpose, ...]
    properties: Rules
    traits: Rules
    context: Rules
    alias_kinds: frozenset[AliasKind]
    """Kinds of identifiers that a granted purpose covers."""
    uncovered: frozenset[str] = frozenset()
    """Paths of fields that the plan names and no granted purpose covers."""


class CompiledPlan:
    """What the collect path asks of a plan. Built once per workspace and plan version; holds no data of persons."""

    def __init__(self, plan: Plan) -> None:
        self.plan: Final = plan
        self._validators = {
            name: _validator({**plan.fields, **event.fields}, event.required) for name, event in plan.events.items()
        }
        self._default_validator = _validator({**plan.fields, **plan.default.fields}, plan.default.required)
        self._traits_validator = _validator(plan.traits, ())
        # Raw signals of consent can tell people apart, so they are never kept, whatever the plan says.
        self._context = {name: field for name, field in plan.context.items() if name not in CONSENT_FIELDS}
        self._programs: dict[tuple[str | None, frozenset[Purpose]], Program] = {}
        self._default_purposes = self._purposes(plan.default)
        self._purposes_of = {name: self._purposes(event) for name, event in plan.events.items()}

    def purposes_of(self, call: Call) -> frozenset[Purpose]:
        """Purposes that this event may be used for, whatever is granted: those that have a basis."""
        return self._purposes_of.get(_key(call), self._default_purposes)

    def problems(self, call: Call) -> tuple[str, ...]:
        """Say where the call breaks the plan, at most five places: the field and the rule, never the value."""
        key = _key(call)
        if call.type is CallType.TRACK and key not in self.plan.events and self.plan.mode == "drop":
            return ("event: the tracking plan does not name it",)
        found = _problems("properties", self._validators.get(key, self._default_validator), call.properties)
        if call.traits:
            found += _problems("traits", self._traits_validator, call.traits)
        return found[:_PROBLEMS_SHOWN]

    def program(self, call: Call, granted: frozenset[Purpose]) -> Program:
        """Give the rules for this call under `granted` purposes."""
        name, event = self._event(_key(call))
        found = self._programs.get((name, granted))
        if found is None:
            found = self._programs[name, granted] = self._compile(event, granted)
        return found

    def _purposes(self, event: EventRules) -> frozenset[Purpose]:
        return frozenset(purpose for purpose in event.purposes if self.plan.basis(event, purpose))

    def _event(self, key: str) -> tuple[str | None, EventRules]:
        event = self.plan.events.get(key)
        return (None, self.plan.default) if event is None else (key, event)

    def _compile(self, event: EventRules, granted: frozenset[Purpose]) -> Program:
        uncovered: set[str] = set()

        def compiled(place: str, fields: Mapping[str, Field]) -> dict[str, Rule]:
            return compile_rules(place, fields, event.purposes, granted, uncovered)

        traits = compiled("traits", self.plan.traits)
        # An address or a number may serve only what its own field may; ids are what an event is kept by at all.
        kinds = set(AliasKind) - {kind for kind in (AliasKind.EMAIL, AliasKind.PHONE) if kind not in traits}
        return Program(
            purposes=tuple(sorted(granted)),
            properties=compiled("properties", {**self.plan.fields, **event.fields}),
            traits=traits,
            context=compiled("context", self._context),
            alias_kinds=frozenset(kinds),
            uncovered=frozenset(uncovered),
        )


def compile_rules(
    place: str,
    fields: Mapping[str, Field],
    inherited: frozenset[Purpose],
    granted: frozenset[Purpose],
    uncovered: set[str],
) -> dict[str, Rule]:
    """Give a rule to each field that a granted purpose covers, and add the paths of the others to `uncovered`.

    `inherited` are the purposes around these fields.
    """
    covering = granted | {Purpose.NECESSARY}
    rules = {}
    for name, field in fields.items():
        purposes = inherited if field.purposes is None else field.purposes
        path = f"{place}.{name}"
        if purposes & covering:
            children = compile_rules(path, field.fields, purposes, granted, uncovered) if field.fields else None
            rules[name] = _rule(path, field, children)
        else:
            uncovered.add(path)
    return rules


def _rule(path: str, field: Field, children: Rules | None) -> Rule:
    accepts = frozenset(python for name in field.types for python in _PYTHON_TYPES[name])
    if field.sealed:
        return Rule(path, {**dict.fromkeys(accepts, Act.SEAL), NoneType: Act.PASS})
    if children is None:
        accepts -= {dict}
    match field.kind:
        case Kind.FREE_TEXT:
            return Rule(path, _acts(accepts, Act.SCRUB), is_scrubbed=True)
        case Kind.URL:
            allow = CAMPAIGN if field.allow is None else field.allow
            return Rule(path, _acts(accepts, Act.REDUCE), reduce=partial(reduce_url, allow=allow))
        case Kind.IP:
            return Rule(path, _acts(accepts, Act.REDUCE), reduce=reduce_address)
        case Kind.UA:
            # One that is reduced already, as exports hold it, stays as it is.
            parts = {name: Rule(f"{path}.{name}", {str: Act.SCRUB}, is_scrubbed=True) for name in AGENT_PARTS}
            is_list = list in accepts
            acts = _acts(accepts if is_list else accepts | {dict}, Act.REDUCE)
            return Rule(path, acts, reduce=reduce_user_agent, children=None if is_list else parts)
        case _:
            # Four numbers with dots are no address in such a field.
            is_version = path.lower().endswith("version")
            return Rule(path, _acts(accepts, Act.KEEP if is_version else Act.TEXT), children=children)


def _acts(accepts: Iterable[type], text: Act) -> dict[type, Act]:
    """Tell what is done with the values of a field that is not sealed, where texts are treated like this."""
    known: dict[type, Act] = {str: text, list: Act.ITEMS, dict: Act.FIELDS}
    return {**{python: known.get(python, Act.KEEP) for python in accepts}, NoneType: Act.KEEP}


def _key(call: Call) -> str:
    """Name the call as the plan does: a tracked event by its own name, another call by its type."""
    return call.name if call.type is CallType.TRACK else call.type.value


def _validator(fields: Mapping[str, Field], required: tuple[str, ...]) -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator(_object_schema(fields, required))


def _object_schema(fields: Mapping[str, Field], required: tuple[str, ...] = ()) -> dict[str, Any]:
    properties = {name: _schema(field, nullable=name not in required) for name, field in fields.items()}
    return {"type": "object", "properties": properties, "required": list(required)}


def _schema(field: Field, *, nullable: bool) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    if "any" not in field.types:
        schema["type"] = [*field.types, "null"] if nullable else list(field.types)
    elif not nullable:
        schema["not"] = {"type": "null"}
    if field.fields:
        nested = _object_schema(field.fields)
        schema["properties"] = nested["properties"]
        schema["items"] = {**nested, "type": ["object", "null"]}
    return schema


def _problems(place: str, validator: jsonschema_rs.Validator, values: dict[str, Any]) -> tuple[str, ...]:
    try:
        if validator.is_valid(values):
            return ()
        errors = islice(validator.iter_errors(values), _PROBLEMS_SHOWN)
        return tuple(_problem(place, error) for error in errors)
    except ValueError:
        return (f"{place}: is nested too deeply or holds what JSON cannot",)


def _problem(place: str, error: jsonschema_rs.ValidationError) -> str:
    """Name the field and the rule. The error's own message quotes the value, so it is never used."""
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path]
    path = place + "".join(steps)
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.Required(property=name):
            return f"{path}.{name}: is required"
        case jsonschema_rs.ValidationErrorKind.Type(types=types):
            return f"{path}: must be {' or '.join(kind for kind in types if kind != 'null')}"
        case _:
            return f"{path}: breaks the rule '{error.kind.name}'"
