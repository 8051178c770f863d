"""The segment language's syntax tree, and the changes that segments cause."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec

Comparison = Literal["==", "!=", ">", ">=", "<", "<="]
TraitOperator = Literal["==", "!=", ">", ">=", "<", "<=", "in", "contains", "exists"]


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A condition on one property of an event."""

    property: str
    op: TraitOperator
    value: Any = None


class Count(msgspec.Struct, frozen=True, tag="count", forbid_unknown_fields=True):
    """How often `event` happened in the window `(now - window, now]`, compared with `n`. `window`: `24h`, `7d`."""

    event: str
    op: Comparison
    n: int
    window: str
    where: tuple[Where, ...] = ()


class Trait(msgspec.Struct, frozen=True, tag="trait", forbid_unknown_fields=True):
    """A comparison with a trait of the profile; a missing trait satisfies only `!=` and `exists: false`."""

    name: str
    op: TraitOperator
    value: Any = None


class And(msgspec.Struct, frozen=True, tag="and", forbid_unknown_fields=True):
    """True when all children are."""

    children: tuple["Definition", ...]


class Or(msgspec.Struct, frozen=True, tag="or", forbid_unknown_fields=True):
    """True when a child is."""

    children: tuple["Definition", ...]


class Not(msgspec.Struct, frozen=True, tag="not", forbid_unknown_fields=True):
    """True when its child is not."""

    child: "Definition"


Definition = Count | Trait | And | Or | Not
Leaf = Count | Trait


class SegmentStatus(StrEnum):
    """A segment's life."""

    BUILDING = "building"
    """A new or edited definition is being applied to the profiles' history; each profile switches as it is reached."""
    LIVE = "live"
    FAILED = "failed"
    DELETING = "deleting"


class ChangeKind(StrEnum):
    """Which way a membership changed."""

    ENTERED = "entered"
    EXITED = "exited"


class SegmentChange(msgspec.Struct, frozen=True, tag_field="v", tag=1):
    """One membership change, committed with what caused it and numbered afterwards without gaps."""

    position: int
    workspace: UUID
    profile_id: UUID
    profile_version: int
    segment_id: UUID
    segment_key: str
    segment_version: int
    kind: ChangeKind
    at: datetime
    cause: dict[str, Any]
    """One of `{"event": message_id}`, `{"timer": instant}`, `{"backfill": version}`, `{"merge": profile id}`,
    `{"unmerge": profile id}`,
    `{"deleted": true}`, `{"request": kind}` where the person asked for it, `{"retention": [names of traits whose time
    is over]}`."""
