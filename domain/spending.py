"""What operations may cost: points that come back by the second, one point for each object asked for."""

import msgspec

from domain.errors import TagwayError


class Allowance(msgspec.Struct, frozen=True):
    """How many points one key may save up, and how many it gets each second."""

    most: int = 200_000
    a_second: int = 20_000


class Spent(msgspec.Struct, frozen=True):
    """What one operation asked for at most, what it came to once that is known, and about how much is left."""

    requested: int
    remaining: int
    allowance: Allowance
    actual: int | None = None

    def told(self) -> dict[str, int]:
        """Give it as it stands in an answer's `extensions.cost`."""
        return {
            "requested": self.requested,
            "actual": self.requested if self.actual is None else self.actual,
            "remaining": self.remaining,
            "most": self.allowance.most,
            "perSecond": self.allowance.a_second,
        }


class CostExceeded(TagwayError):
    """The points are used up."""

    code = "cost_exceeded"
    retry_after: int
    """Seconds after which there are enough points."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"This key's points are used up; try again in {retry_after} s.", retry_after=retry_after)
