"""Traits and counters: functions of a profile's events that come out the same in whatever order the events arrive."""

from base64 import b64encode
from typing import Any, Final

from domain.clock import to_micros
from domain.event import CallType, ProtectedEvent
from profiles.declared import Declared
from profiles.segments.leaf import event_key
from stores.profiles import Profile

_SEALED_TRAIT: Final = "traits."
STATING: Final = {CallType.IDENTIFY: "", CallType.GROUP: "group."}
"""Calls that state traits, and what goes before the names: a company's name is not the person's."""

Stated = dict[str, dict[str, Any]]

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
    prefix = STATING.get(event.type)
    if prefix is None:
        return changed
    mark = {
        "t": to_micros(at),
        "m": event.message_id,
        "p": list(event.purposes),
        "subject": str(event.subject),
    }
    traits = {prefix + trait: {"v": value, **mark} for trait, value in event.traits.items()}
    for name in declared.owned & traits.keys():
        del traits[name]
    sealed = {
        prefix + path.removeprefix(_SEALED_TRAIT): {
            "frame": b64encode(frame).decode(),
            **mark,
        }
        for path, frame in event.sealed.items()
        if path.startswith(_SEALED_TRAIT)
    }
    _keep_newest(profile.sealed, sealed)
    return changed + _keep_newest(profile.traits, traits)


def fold_profile(winner: Profile, loser: Profile) -> list[str]:
    """Take everything of a merged profile into its winner; return the traits that were stated anew."""
    for name, count in loser.counters.items():
        winner.counters[name] = winner.counters.get(name, 0) + count
    winner.first_seen_at = min(winner.first_seen_at, loser.first_seen_at)
    winner.last_seen_at = max(winner.last_seen_at, loser.last_seen_at)
    _keep_newest(winner.sealed, loser.sealed)
    return _keep_newest(winner.traits, NOTHING_DECLARED.without(loser.traits))


def _keep_newest(known: Stated, stated: Stated) -> list[str]:
    changed = []
    for name, statement in stated.items():
        before = known.get(name)
        if before is None or (before["t"], before["m"]) < (statement["t"], statement["m"]):
            known[name] = statement
            changed.append(name)
    return changed
