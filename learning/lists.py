"""Lists of recommended items: what was asked for, and what was made of it."""

import hashlib
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from learning.catalogue import Filter

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[\w.:/-]+\Z")]
"""A short name without spaces: nothing that could hold a person's words."""


class Strategy(StrEnum):
    """How a list comes about."""

    FOR_YOU = "for_you"
    """From what the person did lately, this session included."""
    BUY_AGAIN = "buy_again"
    """What the person has bought, the newest first."""
    SIMILAR = "similar"
    """What is wanted by those who want one item."""
    TOGETHER = "together"
    """What is bought in one order with an item."""
    TRENDING = "trending"
    """What everyone wants lately. Also what everyone gets who is unknown or has not agreed to personalisation."""


class ReasonKind(StrEnum):
    """Why an item stands in a list."""

    VIEWED = "viewed"
    """The person viewed the item that is named."""
    ADDED = "added"
    """They put it into the cart."""
    BOUGHT = "bought"
    """They bought it."""
    TASTE = "taste"
    """People who want the same things want it; no single item stands out."""
    SIMILAR = "similar"
    TOGETHER = "together"
    TRENDING = "trending"
    SEEN = "seen"
    """The person knows it already, and there was nothing else to show."""
    AGAIN = "again"
    """The person bought it before."""


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a list will be shown. Kept with the list, so that it is known later what it was good for."""

    page_type: Word | None = None
    device: Word | None = None
    placement: Word | None = None
    segment: Word | None = None


class Question(msgspec.Struct, frozen=True):
    """What is asked for, whoever it is for."""

    strategy: Strategy
    first: int
    filter: Filter = Filter()
    context: Context = Context()

    @property
    def digest(self) -> bytes:
        """Tells questions apart; the same question has the same digest in every process."""
        encoded = msgspec.json.encode(self, order="deterministic")
        return hashlib.blake2b(encoded, digest_size=16).digest()


class Ask(msgspec.Struct, frozen=True):
    """A question about one person; None is someone unknown."""

    profile: UUID | None
    question: Question

    @property
    def is_of_person(self) -> bool:
        """Whether how things stand with the person has a part in the answer."""
        return self.profile is not None and self.question.strategy is not Strategy.TRENDING


class Reason(msgspec.Struct, frozen=True):
    """Why: a kind, and the item it goes back to if there is one."""

    kind: ReasonKind
    item: str | None = None


class Recommended(msgspec.Struct, frozen=True):
    """One item of a list. `propensity` is how likely it was to stand in this place."""

    product_id: str
    reason: Reason
    propensity: float = 1.0


class Served(msgspec.Struct, frozen=True):
    """One list. `personalized` is true only if the person had a part in it; `strategy` is what made it in the end."""

    id: UUID
    strategy: Strategy
    personalized: bool
    model_version: int | None
    items: tuple[Recommended, ...]
