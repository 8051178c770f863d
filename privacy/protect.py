"""The last place that sees plain personal data: a call goes in, a protected event comes out."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import msgspec

from domain.alias import Alias
from domain.event import Call, ProtectedEvent
from privacy.compiled import Act, CompiledPlan, Program, Rule, Rules
from privacy.gate import Verdict
from privacy.scrub import SHORT, may_identify, scrub, short_may_identify
from privacy.sealing import Sealer
from privacy.signals.sources import NAMES as CONSENT_FIELDS

_CONSUMED: Final = CONSENT_FIELDS | {"traits", "direct", "dropped"}
"""Parts of the context that have been read before this point: leaving them out is no loss to name."""

_PLACES: Final = frozenset({"properties", "traits", "context"})

_MOST_NAMED: Final = 100
_LONGEST_NAME: Final = 64
_NUMBERS: Final = frozenset({int, float, bool})

_KEEP, _TEXT, _SCRUB, _REDUCE = Act.KEEP, Act.TEXT, Act.SCRUB, Act.REDUCE
_SEAL, _ITEMS, _FIELDS = Act.SEAL, Act.ITEMS, Act.FIELDS


class Reason(StrEnum):
    """Why a field was left out."""

    UNANNOTATED = "unannotated"
    """The tracking plan does not name it."""
    NO_PURPOSE = "no_purpose"
    """No granted purpose covers it."""
    WRONG_TYPE = "wrong_type"
    """Its value is not of a type that the plan lets it have, or cannot be written."""


class Draft(msgspec.Struct):
    """An event on its way through the steps. The lists hold what the later steps have to work on."""

    call: Call
    program: Program
    sealer: Sealer
    aliases: tuple[Alias, ...]
    name: str = ""
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}
    sealed: dict[str, bytes] = {}
    dropped: dict[str, Reason] = {}
    to_seal: list[tuple[str, Any]] = []
    to_reduce: list[tuple[dict[str, Any], str, Callable[[str], Any], str]] = []
    to_scrub: list[tuple[dict[str, Any], str, str]] = []

    def drop(self, place: str, name: str, reason: Reason | None = None) -> None:
        """Name a field that is left out. A name that is no name may be a value, so it is not repeated."""
        if place == "context" and name in _CONSUMED:
            return
        if len(self.dropped) < _MOST_NAMED:
            path = f"{place}.{name}"
            if path in self.program.uncovered:
                self.dropped[path] = reason or Reason.NO_PURPOSE
                return
            is_name = len(name) <= _LONGEST_NAME and _scrub_name(name) == name
            self.dropped[path if is_name else f"{place}.?"] = reason or Reason.UNANNOTATED


def protect(
    call: Call,
    verdict: Verdict,
    aliases: Iterable[Alias],
    sealer: Sealer,
    plan: CompiledPlan,
    *,
    proofs: tuple[int, ...] = (),
) -> tuple[ProtectedEvent, dict[str, Reason]]:
    """Protect a call that the gate has passed, for the subject and workspace of `sealer`.

    `proofs` name the record in the consent ledger that each of the verdict's purposes, sorted, rests on.
    Returns the event and the paths of the fields that were left out, each with the reason. Raises `ValueError` for a
    call that the gate has dropped.
    """
    if verdict.dropped:
        raise ValueError("The gate has dropped this call.")
    program = plan.program(call, verdict.purposes)
    draft = Draft(call, program, sealer, tuple(aliases))
    for _, step in STEPS:
        step(draft)
    event = ProtectedEvent(
        workspace=sealer.workspace,
        message_id=call.message_id,
        subject=sealer.subject,
        type=call.type,
        name=draft.name,
        at=call.timestamp,
        received_at=call.received_at,
        aliases=draft.aliases,
        purposes=program.purposes,
        original_at=call.original_timestamp,
        sent_at=call.sent_at,
        properties=draft.properties,
        traits=draft.traits,
        context=draft.context,
        sealed=draft.sealed,
        proofs=proofs,
    )
    return event, draft.dropped


def minimise(draft: Draft) -> None:
    """Take over only what the plan names and a granted purpose covers, and sort it by what is to be done."""
    call, program = draft.call, draft.program
    draft.name = call.name
    draft.aliases = tuple([alias for alias in draft.aliases if alias.kind in program.alias_kinds])
    # The ids that a site gives are kept sealed, for export and support; the random anonymous id only as an index.
    for path in ("user_id", "group_id"):
        value = getattr(call, path)
        if value is not None:
            draft.to_seal.append((path, value))
    draft.properties = _minimise("properties", call.properties, program.properties, draft)
    if call.traits:
        draft.traits = _minimise("traits", call.traits, program.traits, draft)
    draft.context = _minimise("context", call.context, program.context, draft)
    if "dropped" in call.context:
        _hear_losses(call.context["dropped"], draft)


def seal(draft: Draft) -> None:
    """Encrypt personal data under the person's own key; what is nested too deeply to be written is left out."""
    for path, value in draft.to_seal:
        try:
            draft.sealed[path] = draft.sealer.seal(path, value)
        except RecursionError:
            draft.dropped[path] = Reason.WRONG_TYPE


def reduce(draft: Draft) -> None:
    """Replace addresses and user agents by coarser forms; what cannot be read is left out."""
    for target, name, coarser, value in draft.to_reduce:
        reduced = coarser(value)
        if reduced:
            target[name] = reduced


def scrub_texts(draft: Draft) -> None:
    """Replace personal data inside texts, the event's name among them."""
    name = draft.name
    draft.name = _scrub_name(name) if len(name) <= _LONGEST_NAME else scrub(name)
    for target, name, value in draft.to_scrub:
        target[name] = scrub(value)


# A site's events and fields have few names.
_scrub_name = lru_cache(maxsize=4_096)(scrub)


STEPS: Final[tuple[tuple[str, Callable[[Draft], None]], ...]] = (
    ("minimise", minimise),
    ("seal", seal),
    ("reduce", reduce),
    ("scrub", scrub_texts),
)
"""The steps in their order; each one finds what the one before has left."""


def _hear_losses(paths: Any, draft: Draft) -> None:
    """Count what the tag left out already by the same plan; it sends the names alone."""
    for path in paths[:_MOST_NAMED] if isinstance(paths, list) else ():
        place, _, name = path.partition(".") if isinstance(path, str) else ("", "", "")
        if place in _PLACES and name:
            draft.drop(place, name)


def _minimise(  # noqa: C901 - one flat loop over every field of every event: a call for each would cost a tenth
    place: str, values: Mapping[str, Any], rules: Rules, draft: Draft
) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    rule_of = rules.get
    for name, value in values.items():
        rule = rule_of(name)
        if rule is None:
            draft.drop(place, name)
            continue
        act = rule.acts.get(type(value))
        if act is _KEEP:
            kept[name] = value
        elif act is _TEXT:
            kept[name] = value
            # An identifier that stands where none belongs is scrubbed too; the full search would eat plain ids.
            if short_may_identify(value) if len(value) <= SHORT else may_identify(value):
                draft.to_scrub.append((kept, name, value))
        elif act is _FIELDS:
            kept[name] = value if rule.children is None else _minimise(rule.path, value, rule.children, draft)
        elif act is _REDUCE and rule.reduce is not None:
            draft.to_reduce.append((kept, name, rule.reduce, value))
        elif act is _SCRUB:
            kept[name] = value
            draft.to_scrub.append((kept, name, value))
        elif act is _SEAL:
            draft.to_seal.append((rule.path, value))
        elif act is _ITEMS:
            kept[name] = _keep_items(value, rule, draft)
        elif act is None:
            draft.drop(place, name, Reason.WRONG_TYPE)
    return kept


def _keep_items(values: list[Any], rule: Rule, draft: Draft) -> list[Any]:
    """Keep of a list its objects, by the rules of their fields, or its scalars: never both, and no lists in lists."""
    if rule.children is not None:
        return [_minimise(rule.path, value, rule.children, draft) for value in values if type(value) is dict]
    kept: list[Any] = []
    for value in values:
        if type(value) is str:
            text = value if rule.reduce is None else rule.reduce(value)
            if text is not None:
                kept.append(scrub(text) if rule.is_scrubbed or may_identify(text) else text)
        elif type(value) in _NUMBERS and not (rule.is_scrubbed or rule.reduce):
            kept.append(value)
    return kept
