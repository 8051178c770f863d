"""What a shop wants of its lists, whatever the model says."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec

from domain.errors import Refused

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Again(StrEnum):
    """Whether what a person has bought may be shown to them again."""

    NEVER = "never"
    AFTER = "after"
    """Only some days later."""
    ALWAYS = "always"


class Purchased(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rule for what was bought; `days` counts for `after` only."""

    again: Again = Again.NEVER
    days: Annotated[int, msgspec.Meta(ge=1, le=3_650)] = 30

    def allows(self, days_ago: float) -> bool:
        """Tell whether what was bought so long ago may be shown."""
        return self.again is Again.ALWAYS or (self.again is Again.AFTER and days_ago >= self.days)


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of one workspace."""

    purchased: Purchased = Purchased()
    by_category: dict[str, Purchased] = {}
    """Rules of single categories: bread is bought again, a fridge is not."""
    most_of_category: Share = 0.5
    """The share of a list that one category may fill at most, as long as there is anything else."""
    variety: Share = 0.2
    """How much of the order is given to difference from what stands above: 0 none, 1 all."""
    exploration: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.0
    """How often the last place goes to a runner-up by lot, so that offline evaluation has something to weigh."""

    def rule_of(self, category: str | None) -> Purchased:
        """Give the rule for what was bought in a category."""
        return self.by_category.get(category or "", self.purchased)


def read_policy(document: Any) -> Policy:
    """Read a policy's document. Raises `Refused` naming the place that is wrong."""
    try:
        return msgspec.convert(document, Policy)
    except msgspec.ValidationError as error:
        raise Refused(f"The policy does not have the expected shape: {error}") from None
