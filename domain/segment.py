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


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A condition on one property of a later step: that it is, or is not, the property `of` an earlier `step`.

    Steps are counted from 1. What either event lacks equals nothing and differs from nothing.
    """

    property: str
    op: Literal["==", "!="]
    step: int
    of: str


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event, with conditions on its properties."""

    event: str
    where: tuple[Where | Reference, ...] = ()


class Count(msgspec.Struct, frozen=True, tag="count", forbid_unknown_fields=True):
    """How often `event` happened in the window `(now - window, now]`, compared with `n`. `window`: `24h`, `7d`.

    With `by`, of some one value of that property: "more than three views of one product".
    """

    event: str
    op: Comparison
    n: int
    window: str
    where: tuple[Where, ...] = ()
    by: str | None = None


class Sum(msgspec.Struct, frozen=True, tag="sum", forbid_unknown_fields=True):
    """What a numeric property of `event` adds up to in the window; nothing adds up to 0."""

    event: str
    property: str
    op: Comparison
    value: float
    window: str
    where: tuple[Where, ...] = ()


class Distinct(msgspec.Struct, frozen=True, tag="distinct", forbid_unknown_fields=True):
    """How many different values a property of `event` had in the window."""

    event: str
    property: str
    op: Comparison
    n: int
    window: str
    where: tuple[Where, ...] = ()


class ThenNot(msgspec.Struct, frozen=True, tag="then_not", forbid_unknown_fields=True):
    """True when `first` happened in `(now - window, now - within]` and `then` has not happened since."""

    first: Step
    then: Step
    within: str
    window: str


class Sequence(msgspec.Struct, frozen=True, tag="sequence", forbid_unknown_fields=True):
    """True when all steps happened, each later than the one before, the last at most `within` after the first.

    The last step is in the window.
    """

    steps: tuple[Step, ...]
    within: str
    window: str


class Session(msgspec.Struct, frozen=True, tag="session", forbid_unknown_fields=True):
    """How often `event` happened in the session that is going on.

    A session ends once nothing at all has happened for `idle`. Of a session only the last 24 hours count.
    """

    event: str
    op: Literal[">=", ">"]
    n: int
    where: tuple[Where, ...] = ()
    idle: str = "30m"


class Days(msgspec.Struct, frozen=True, rename={"from_": "from"}, forbid_unknown_fields=True):
    """A band of time since something: `from` ago or longer, less than `to` ago."""

    from_: str | None = None
    to: str | None = None


class Band(msgspec.Struct, frozen=True, rename={"from_": "from"}, forbid_unknown_fields=True):
    """A band of numbers: at least `from`, less than `to`."""

    from_: float | None = None
    to: float | None = None


class Rfm(msgspec.Struct, frozen=True, tag="rfm", forbid_unknown_fields=True):
    """A cell of recency, frequency and monetary value of what someone bought in the window.

    A band that is left out holds everyone who bought at all.
    """

    event: str
    property: str
    window: str
    recency: Days | None = None
    frequency: Band | None = None
    monetary: Band | None = None


class InSegment(msgspec.Struct, frozen=True, tag="segment", forbid_unknown_fields=True):
    """True for the members of another segment."""

    key: str


class Score(msgspec.Struct, frozen=True, tag="model", forbid_unknown_fields=True):
    """What a model says of the profile: its score compared, if it is sure enough; false where it said nothing."""

    model: str
    op: Comparison
    score: float
    confidence: float = 0.0


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


Leaf = Count | Sum | Distinct | ThenNot | Sequence | Session | Rfm | InSegment | Score | Trait
Definition = Leaf | And | Or | Not


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


class SegmentChange(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="v", tag=1):
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
    `{"unmerge": profile id}`, `{"model": name}`,
    `{"deleted": true}`, `{"request": kind}` where the person asked for it, `{"retention": [names of traits whose time
    is over]}`."""
    traceparent: str | None = None
    """Where it is in the trace of the event that caused it, if that is traced."""
