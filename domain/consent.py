"""Purposes, and what a person has said about each."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec


class Purpose(StrEnum):
    """Why data may be used. `NECESSARY` needs no consent and stores no identifier."""

    NECESSARY = "necessary"
    FUNCTIONAL = "functional"
    ANALYTICS = "analytics"
    PERSONALIZATION = "personalization"
    ADVERTISING = "advertising"
    SALE_OR_SHARE = "sale_or_share"


class State(StrEnum):
    """One statement about one purpose. What was never stated counts as denied."""

    GRANTED = "granted"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"


CONSENTABLE: Final = tuple(purpose for purpose in Purpose if purpose is not Purpose.NECESSARY)

Statements = Mapping[Purpose, State]
"""What one source says; a purpose it does not mention is left to the other sources."""


OPERATOR: Final[Statements] = dict.fromkeys(
    (Purpose.FUNCTIONAL, Purpose.ANALYTICS, Purpose.PERSONALIZATION), State.GRANTED
)
"""What an operator's own system stands for when it tells of its customer; a refusal of the person still wins."""


class Consent(msgspec.Struct, frozen=True):
    """What is stored for one purpose of one person: their last word, and where it came from."""

    purpose: Purpose
    state: State
    source: str
    at: datetime
    since: datetime | None = None
    """When this source first said so without interruption; None where that is not known."""


def ask_again_at(state: State, at: datetime) -> datetime | None:
    """Tell when a person who refused at `at` may be asked again: twelve months later (11 CCR 7026); granted, never."""
    if state is State.GRANTED:
        return None
    is_leap_day = (at.month, at.day) == (2, 29)
    return at.replace(year=at.year + 1, month=3, day=1) if is_leap_day else at.replace(year=at.year + 1)


def strictest(sources: Iterable[Statements]) -> frozenset[Purpose]:
    """Purposes that at least one source grants and none refuses."""
    granted: set[Purpose] = set()
    refused: set[Purpose] = set()
    for statements in sources:
        for purpose, state in statements.items():
            (granted if state is State.GRANTED else refused).add(purpose)
    return frozenset(granted - refused)
