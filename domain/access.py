"""A look at personal data: who, whose, which fields, what for; and how many looks one caller may take."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from domain.consent import Purpose
from domain.errors import TagwayError

END_USER: Final = "end user"
"""The actor of what visitors see of themselves; their ids are not repeated."""


class Access(msgspec.Struct, frozen=True):
    """What is written down before personal data leaves."""

    at: datetime
    actor: str
    """`key:<id>`, `end user`, `cli` or `job:<request id>`."""
    action: str
    """`detokenize`, `export`, …"""
    profile_id: UUID
    fields: tuple[str, ...]
    """Paths such as `traits.email`; never values."""
    purpose: Purpose
    reason: str


class LookLimits(msgspec.Struct, frozen=True):
    """How much personal data one key may see: an end user is held to the same for their own profile."""

    looks_per_minute: int = 60
    people_per_day: int = 1_000


class TooManyLooks(TagwayError):
    """A caller has seen enough for now; nothing was written down and nothing may leave."""

    code = "too_many_requests"
    retry_after: int
    """Seconds after which the next look may be allowed."""

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail, retry_after=retry_after)
