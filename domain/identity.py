"""What makes two identifiers one person, in the words that all parts share."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Final

import msgspec

from domain.alias import Alias, AliasKind

PER_PROFILE: Final[Mapping[AliasKind, int]] = MappingProxyType(
    {
        AliasKind.USER_ID: 1,
        AliasKind.LOYALTY_ID: 2,
        AliasKind.EMAIL: 5,
        AliasKind.PHONE: 5,
        AliasKind.EXTERNAL_ID: 10,
        AliasKind.ANONYMOUS_ID: 25,
        AliasKind.DEVICE_ID: 10,
    }
)
"""How many identifiers of a kind one person may have, unless the workspace says otherwise."""

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_]{0,63}\Z")]
Limit = Annotated[int, msgspec.Meta(ge=0, le=1_000)]


class Decision(StrEnum):
    """What was made of a claim that identifiers belong together."""

    LINKED = "linked"
    """The identifier was unknown and became the person's."""
    MERGED = "merged"
    """Two people became one."""
    REFUSED = "refused"
    PARTED = "parted"
    """A merge was taken back; the two are kept apart from then on."""


class IdentityRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """How one workspace tells who is who."""

    priority: tuple[AliasKind, ...] = ()
    """Kinds of identifiers, strongest first; those left out follow in their usual order."""
    limits: dict[AliasKind, Limit] = {}
    """How many of a kind one person may have, where it is not the usual number; 0: the kind is not used."""
    subjects: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 50
    """How many subjects may become one person in all."""
    external_ids: tuple[Name, ...] = ()
    """Types of `context.externalIds` that name a person."""
    blocked: tuple[Alias, ...] = ()
    """Identifiers, as blind indexes, that name nobody: a till's customer number, an office's address."""
    review: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    """Likeness from which two people are put up for review."""
    merge: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.95
    """Likeness from which they are merged without one."""
    matching: bool = False
    """Whether people are compared by name, birth date and postcode at all."""

    @cached_property
    def ranks(self) -> Mapping[AliasKind, int]:
        """Tell the place of each kind, 0 the strongest."""
        order = dict.fromkeys([*self.priority, *AliasKind])
        return {kind: rank for rank, kind in enumerate(order)}

    @cached_property
    def most(self) -> Mapping[AliasKind, int]:
        """Tell how many identifiers of each kind one person may have."""
        return {**PER_PROFILE, **self.limits}
