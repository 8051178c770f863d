"""What a bench answers with."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number, and the bar it is held to if there is one: `at_least` or `at_most`, never both.

    Without a value, `name` says why it could not be measured.
    """

    name: str
    value: float | None
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None without a bar or a value."""
        if self.value is None:
            return None
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    @property
    def shown(self) -> str:
        """The number with its unit."""
        if self.value is None:
            return "not measured"
        return f"{_short(self.value)} {self.unit}".strip()

    @property
    def bar(self) -> str:
        """The bar with its direction."""
        if self.at_least is not None:
            return f"≥ {_short(self.at_least)}"
        return "" if self.at_most is None else f"≤ {_short(self.at_most)}"


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def _short(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
