"""Identifiers of a person, in the only form that is ever stored: keyed blind indexes."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from domain.consent import Purpose, Statements


class AliasKind(StrEnum):
    """Kinds of identifiers, strongest first: an event belongs to the strongest identifier that it carries."""

    USER_ID = "user_id"
    LOYALTY_ID = "loyalty_id"
    EMAIL = "email"
    PHONE = "phone"
    EXTERNAL_ID = "external_id"
    """An id of another system, of a type that the workspace has declared."""
    ANONYMOUS_ID = "anonymous_id"
    DEVICE_ID = "device_id"


SPELLED_KINDS: Final = frozenset({AliasKind.EMAIL, AliasKind.PHONE})
"""Kinds that platforms spell, and hash, in ways of their own. An event has at most one identifier of each: several
aliases of such a kind are its spellings."""


class Alias(msgspec.Struct, frozen=True, array_like=True, cache_hash=True):
    """One identifier. `index` is HMAC-SHA256 under the workspace's key for this kind and `version`."""

    kind: AliasKind
    version: int
    index: bytes


class Subject(msgspec.Struct, frozen=True, omit_defaults=True):
    """One person as the gateway first met them: a random id with a data key of its own.

    Subjects never move. A merge points several of them at one profile, an unmerge points them back.
    """

    id: UUID
    profile_id: UUID
    wrapped_key: bytes
    """The data key, wrapped by the workspace's key."""
    consent: Statements
    """The stored last word of the person whom this subject belongs to, over all their subjects."""
    suppressed: bool = False
    """True once erased: nothing about them may be kept again."""
    records: Mapping[Purpose, int] = {}
    """The ledger's records of those stored words that this subject gave."""
    linked: Mapping[Purpose, int] = {}
    """The records of those that another subject of the person gave; 0 for one from before the ledger."""
    evidence: Mapping[str, Mapping[Purpose, int]] = {}
    """The records of what this subject's events claimed lately, by the signal's digest in hexadecimal."""
    privacy_control_at: datetime | None = None
    """When Global Privacy Control was last stored for them; None when it is not in force."""
