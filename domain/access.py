"""A look at personal data: who, whose, which fields, what for."""

from datetime import datetime
from uuid import UUID

import msgspec

from domain.consent import Purpose


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
