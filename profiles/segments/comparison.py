"""Comparisons with values that came from customers: they never raise, nor mix kinds (`1` is neither `"1"` nor true)."""

from collections.abc import Callable
from typing import Any, Final

from domain.segment import TraitOperator

Test = Callable[[Any], bool]
"""Decides on one value, or on `MISSING` where there is none."""

MISSING: Final[Any] = object()


def compile_comparison(op: TraitOperator, value: Any) -> Test:
    """Turn an operator and its right-hand side into a test. What is missing satisfies only `!=` and `exists: false`."""
    return _COMPILERS[op](value)


def _kind(value: Any) -> type:
    if isinstance(value, bool):
        return bool
    return float if isinstance(value, int) else type(value)


def _same(left: Any, right: Any) -> bool:
    return _kind(left) is _kind(right) and bool(left == right)


def _ordered(left: Any, right: Any) -> bool:
    kind = _kind(left)
    return kind is _kind(right) and kind in (float, str)


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, list):
        return any(_same(item, part) for item in whole)
    return isinstance(whole, str) and isinstance(part, str) and part in whole


_COMPILERS: Final[dict[TraitOperator, Callable[[Any], Test]]] = {
    "==": lambda right: lambda left: _same(left, right),
    "!=": lambda right: lambda left: not _same(left, right),
    ">": lambda right: lambda left: _ordered(left, right) and left > right,
    ">=": lambda right: lambda left: _ordered(left, right) and left >= right,
    "<": lambda right: lambda left: _ordered(left, right) and left < right,
    "<=": lambda right: lambda left: _ordered(left, right) and left <= right,
    "in": lambda right: lambda left: any(_same(left, item) for item in right),
    "contains": lambda right: lambda left: _contains(left, right),
    "exists": lambda right: lambda left: (left is not MISSING) is right,
}
