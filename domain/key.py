"""Who is calling, and what they may do."""

from enum import StrEnum
from uuid import UUID

import msgspec

from domain.access import END_USER
from domain.pace import Pace


class Scope(StrEnum):
    """What a secret key may be allowed."""

    PROFILES_READ = "profiles:read"
    PROFILES_WRITE = "profiles:write"
    PROFILES_PII = "profiles:pii"
    EVENTS_READ = "events:read"
    SEGMENTS_READ = "segments:read"
    SEGMENTS_WRITE = "segments:write"
    COUNTS_EXACT = "counts:exact"
    RECOMMENDATIONS_READ = "recommendations:read"
    RECOMMENDATIONS_WRITE = "recommendations:write"
    PRIVACY_ADMIN = "privacy:admin"
    QUERIES_ADHOC = "queries:adhoc"


class KeyKind(StrEnum):
    """Write keys are public and may only collect; secret keys carry scopes."""

    WRITE = "write"
    SECRET = "secret"  # noqa: S105 - the word, not a secret


class ApiKey(msgspec.Struct, frozen=True):
    """A stored key, without its value."""

    id: UUID
    workspace: UUID
    kind: KeyKind
    name: str
    scopes: frozenset[Scope]
    origins: tuple[str, ...] = ()
    """Origins that may use a write key from a browser; empty allows any."""
    pace: Pace | None = None
    """How fast it may send, where that is not what holds for all."""


class Principal(msgspec.Struct, frozen=True):
    """Who an operation runs as. `anonymous_id` or `user_id` is set for an end user, who sees only that profile."""

    workspace: UUID
    scopes: frozenset[Scope]
    anonymous_id: str | None = None
    user_id: str | None = None
    key_id: UUID | None = None
    """The secret key, unless it is an end user."""
    pace: Pace | None = None
    """The secret key's own."""

    @property
    def actor(self) -> str:
        """Who is named where looks at personal data are written down; an end user's ids are not repeated there."""
        return END_USER if self.key_id is None else f"key:{self.key_id}"

    @property
    def is_end_user(self) -> bool:
        """True for a site's visitor with a short-lived token."""
        return self.anonymous_id is not None or self.user_id is not None
