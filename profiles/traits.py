"""Traits and counters: functions of a profile's events that come out the same in whatever order the events arrive."""

from base64 import b64encode
from typing import Final

from domain.clock import to_micros
from domain.event import CallType, ProtectedEvent
from profiles.declared import Declared
from profiles.segments.leaf import event_key
from stores.profiles import Profile
from stores.statements import Stated, Statements

_SEALED_TRAIT: Final = "traits."
STATING: Final = {CallType.IDENTIFY: "", CallType.GROUP: "group."}
"""Calls that state traits, and what goes before the names: a company's name is not the person's."""

NOTHING_DECLARED: Final = Declared()


def sealed_at(path: str) -> tuple[str, str] | None:
    """Tell where a sealed trait stands in `Profile.sealed`, and at which path it was sealed.

    `path` is `traits.email` for what was stated of the person, `group.name` of their group. None for any other.
    """
    for prefix in STATING.values():
        name = path.removeprefix(prefix or _SEALED_TRAIT)
        if name != path:
            return prefix + name, _SEALED_TRAIT + name
    return None


def fold_event(profile: Profile, event: ProtectedEvent, declared: Declared = NOTHING_DECLARED) -> list[str]:
    """Take one event into traits, sealed traits, counters and times; return the traits that were stated anew.

    The newest statement about a trait wins, by the event's time; of two at one instant the greater message id. What is
    declared follows its declaration.
    """
    at = min(event.at, event.received_at)
    profile.first_seen_at = min(profile.first_seen_at, at)
    profile.last_seen_at = max(profile.last_seen_at, at)
    name = event_key(event)
    profile.counters[name] = profile.counters.get(name, 0) + 1
    changed = declared.fold(profile.traits, event)
    if event.type not in STATING:
        return changed
    said = statements_in(event)
    keep_newest(profile.sealed, said.sealed)
    return changed + keep_newest(profile.traits, declared.unowned(said.traits))


def statements_in(event: ProtectedEvent) -> Statements:
    """Write what an event states as a profile keeps it."""
    prefix = STATING.get(event.type)
    if prefix is None:
        return Statements({}, {})
    mark = {
        "t": to_micros(min(event.at, event.received_at)),
        "m": event.message_id,
        "p": list(event.purposes),
        "subject": str(event.subject),
    }
    traits = {prefix + trait: {"v": value, **mark} for trait, value in event.traits.items()}
    sealed = {
        prefix + path.removeprefix(_SEALED_TRAIT): {
            "frame": b64encode(frame).decode(),
            **mark,
        }
        for path, frame in event.sealed.items()
        if path.startswith(_SEALED_TRAIT)
    }
    return Statements(traits, sealed)


def fold_profile(winner: Profile, loser: Profile) -> list[str]:
    """Take everything of a merged profile into its winner; return the traits that were stated anew."""
    for name, count in loser.counters.items():
        winner.counters[name] = winner.counters.get(name, 0) + count
    winner.first_seen_at = min(winner.first_seen_at, loser.first_seen_at)
    winner.last_seen_at = max(winner.last_seen_at, loser.last_seen_at)
    keep_newest(winner.sealed, loser.sealed)
    return keep_newest(winner.traits, NOTHING_DECLARED.without(loser.traits))


def keep_newest(known: Stated, stated: Stated) -> list[str]:
    """Take statements in where they are newer than what is known; return the names of those that were."""
    changed = []
    for name, statement in stated.items():
        before = known.get(name)
        if before is None or (before["t"], before["m"]) < (statement["t"], statement["m"]):
            known[name] = statement
            changed.append(name)
    return changed
