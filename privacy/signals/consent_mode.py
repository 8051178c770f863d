"""Google's Consent Mode: the state of its keys, or the commands of `gtag` that led to it.

Format: Google, "Set up consent mode on websites", version 2.
"""

from collections.abc import Mapping
from typing import Any, Final

from domain.consent import State, Statements
from privacy.signals.mapping import CONSENT_MODE
from privacy.signals.refusal import Reason, Refusal

_KEYS: Final = frozenset(
    {
        *("ad_storage", "ad_user_data", "ad_personalization", "analytics_storage"),
        *("functionality_storage", "personalization_storage", "security_storage"),
    }
)
_GRANTED: Final = "granted"
_ANSWERS: Final = frozenset({_GRANTED, "denied"})
_COMMAND: Final = "consent"
_DEFAULT: Final = "default"
_ACTIONS: Final = frozenset({_DEFAULT, "update"})
_MOST_COMMANDS: Final = 100


def read_consent_mode(value: Any) -> Statements:
    """Read the keys' state, a command (`["consent", "update", {…}]`), or a list of commands in their order.

    Commands may also be written as JSON writes JavaScript's Arguments objects: `{"0": "consent", "1": …}`. A purpose
    is granted when all of its keys are; a key that is missing is no grant. Raises `Refusal`.
    """
    state = _replay(value)
    return {
        purpose: State.GRANTED if all(state.get(key) == _GRANTED for key in keys) else State.DENIED
        for purpose, keys in CONSENT_MODE.items()
        if not state.keys().isdisjoint(keys)
    }


def _replay(value: Any) -> dict[str, str]:
    """Tell the state of the keys; what else a site's data layer holds says nothing of them."""
    if _is_command(value):
        value = [value]
    if not isinstance(value, list):
        return _answers(value)
    commands = [each for each in value if _is_command(each)]
    if not 0 < len(value) <= _MOST_COMMANDS or not commands:
        raise Refusal(Reason.SHAPE)
    defaults: dict[str, str] = {}
    regional: dict[str, str] = {}
    updates: dict[str, str] = {}
    for command in commands:
        action, told = _part(command, 1), _part(command, 2)
        if not isinstance(action, str) or action not in _ACTIONS or not isinstance(told, Mapping):
            raise Refusal(Reason.SHAPE)
        if action != _DEFAULT:
            updates |= _answers(told)
        elif "region" not in told:
            defaults |= _answers(told)
        else:
            # Nobody says where this visitor is, so such a default may refuse and not grant.
            regional |= {key: answer for key, answer in _answers(told).items() if answer != _GRANTED}
    return defaults | regional | updates


def _answers(told: Any) -> dict[str, str]:
    if not isinstance(told, Mapping):
        raise Refusal(Reason.SHAPE)
    answers = {key: told[key] for key in _KEYS if key in told}
    if not all(isinstance(answer, str) and answer in _ANSWERS for answer in answers.values()):
        raise Refusal(Reason.VALUE)
    if not answers:
        raise Refusal(Reason.EMPTY)
    return answers


def _is_command(value: Any) -> bool:
    return isinstance(value, list | Mapping) and _part(value, 0) == _COMMAND


def _part(command: Any, place: int) -> Any:
    """Give an argument of a command, be it an array or what JSON makes of an Arguments object."""
    if isinstance(command, Mapping):
        return command.get(str(place))
    return command[place] if place < len(command) else None
