"""What a person may ask of whoever keeps data about them, and what becomes of it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.alias import Alias
from domain.consent import Purpose


class RequestKind(StrEnum):
    """The rights; beside each the articles and sections that grant it."""

    ACCESS = "access"
    """GDPR 15, CCPA §1798.110: everything that is held, and why."""
    PORTABILITY = "portability"
    """GDPR 20: what the person provided, in a form that other systems take."""
    RECTIFY = "rectify"
    """GDPR 16, CCPA §1798.106."""
    ERASE = "erase"
    """GDPR 17, CCPA §1798.105."""
    RESTRICT = "restrict"
    """GDPR 18: stored, not used."""
    LIFT = "lift"
    """The end of a restriction, at the person's wish or once its reason is gone (GDPR 18(3))."""
    OBJECT = "object"
    """GDPR 21: no profiling, no direct marketing."""
    OPT_OUT = "opt_out"
    """CCPA §1798.120: no sale, no sharing for advertising."""
    LIMIT_SENSITIVE = "limit_sensitive"
    """CCPA §1798.121: sensitive fields only for what was asked for."""


class Regime(StrEnum):
    """Under which law a request is answered; its periods count."""

    GDPR = "gdpr"
    CCPA = "ccpa"


class RequestStatus(StrEnum):
    """A request's life."""

    RECEIVED = "received"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


class Found(msgspec.Struct, frozen=True):
    """Whom a request is about, in random ids and blind indexes only."""

    subjects: tuple[UUID, ...] = ()
    profiles: tuple[UUID, ...] = ()
    """The profile that carries the subjects, and those that were merged into it."""
    aliases: tuple[Alias, ...] = ()
    """Those that the request named, and all others of the same person."""


class Step(msgspec.Struct, frozen=True):
    """One finished step of a request: when, and how much it found to do."""

    name: str
    at: datetime
    counts: Mapping[str, int] = {}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it is stored."""

    workspace: UUID
    id: UUID
    kind: RequestKind
    regime: Regime
    status: RequestStatus = RequestStatus.RECEIVED
    actor: str
    """Who entered it, and with that answers for whom it is about."""
    reason: str = ""
    profile_id: UUID | None = None
    """The profile it is about, if anything was held; stays as a trace when the profile is gone."""
    named: tuple[Alias, ...] = ()
    """The identifiers that it was made by."""
    found: Found = Found()
    """Once an erasure has looked them up: whom its later steps are about."""
    received_at: datetime
    due_at: datetime
    extended_at: datetime | None = None
    extension_reason: str | None = None
    steps: Mapping[str, Step] = {}
    """By name, in the order in which they were done."""
    planned: int = 0
    """How many steps there are, once it is worked on."""
    finished_at: datetime | None = None
    error: str | None = None
    expires_at: datetime | None = None
    """When the answer that can be fetched is thrown away."""
    receipt: dict[str, Any] | None = None

    @property
    def progress(self) -> float:
        """How much of it is done, from 0 to 1."""
        if self.finished_at is not None:
            return 1.0
        return len(self.steps) / (self.planned + 1) if self.planned else 0.0


LIMITED_PURPOSES: Final = frozenset({Purpose.NECESSARY, Purpose.FUNCTIONAL})
"""What sensitive fields may still be used for once a person has limited their use."""


class Holds(msgspec.Struct, frozen=True):
    """What a person has asked to be held back, and since when."""

    restricted_at: datetime | None = None
    objected_at: datetime | None = None
    limited_at: datetime | None = None

    @property
    def profiling(self) -> bool:
        """True while segments, recommendations and models may use nothing of the person."""
        return self.restricted_at is not None or self.objected_at is not None

    def joined(self, other: "Holds") -> "Holds":
        """Hold back whatever one of two does who turned out to be one person, each since the earlier moment."""
        return Holds(
            *(
                min((moment for moment in pair if moment is not None), default=None)
                for pair in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
            )
        )

    def allows(self, purpose: Purpose, *, sensitive: bool) -> bool:
        """Tell whether a field may be used for a purpose that the person consents to."""
        if self.restricted_at is not None:
            return False
        if self.objected_at is not None and purpose not in LIMITED_PURPOSES | {Purpose.ANALYTICS}:
            return False
        return not (sensitive and self.limited_at is not None) or purpose in LIMITED_PURPOSES
