"""Definitions as people read them: `count(purchase where value > 100) in 30d >= 1 and not segment staff`.

`profiles.segments.words` reads what is written here.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from domain.segment import (
    And,
    Band,
    Count,
    Days,
    Definition,
    Distinct,
    InSegment,
    Not,
    Or,
    Reference,
    Rfm,
    Score,
    Sequence,
    Session,
    Step,
    Sum,
    ThenNot,
    Trait,
    Where,
)

KEYWORDS: Final = frozenset(
    {
        *("all", "and", "any", "by", "confidence", "contains", "count", "did", "distinct", "exists", "false"),
        *("frequency", "from", "idle", "in", "missing", "model", "monetary", "not", "null", "of", "or", "recency"),
        *("rfm", "segment", "sequence", "session", "step", "sum", "then", "to", "trait", "true", "where", "within"),
    }
)
BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*", re.ASCII)
"""Names that need no quotes, unless they are keywords."""


def as_text(node: Definition) -> str:
    """Write a definition in words."""
    return _WRITERS[type(node)](node)


def _and(node: And) -> str:
    return _joined(node.children, "and", "all")


def _or(node: Or) -> str:
    return _joined(node.children, "or", "any")


def _joined(children: tuple[Definition, ...], word: str, lone: str) -> str:
    if len(children) == 1:
        return f"{lone}({as_text(children[0])})"
    return f" {word} ".join(_closed(child) for child in children)


def _closed(node: Definition) -> str:
    """Put brackets around what would otherwise run into its neighbours."""
    return f"({as_text(node)})" if isinstance(node, And | Or) and len(node.children) > 1 else as_text(node)


def _count(node: Count) -> str:
    by = f" by {_name(node.by)}" if node.by is not None else ""
    return f"count({_name(node.event)}{_where(node.where)}{by}) in {node.window} {node.op} {node.n}"


def _sum(node: Sum) -> str:
    return f"sum({_property(node)}) in {node.window} {node.op} {_value(node.value)}"


def _distinct(node: Distinct) -> str:
    return f"distinct({_property(node)}) in {node.window} {node.op} {node.n}"


def _property(node: Sum | Distinct) -> str:
    return f"{_name(node.property)} of {_name(node.event)}{_where(node.where)}"


def _then_not(node: ThenNot) -> str:
    return f"did({_step(node.first)}) then not({_step(node.then)}) within {node.within} in {node.window}"


def _sequence(node: Sequence) -> str:
    return f"sequence({', '.join(map(_step, node.steps))}) within {node.within} in {node.window}"


def _session(node: Session) -> str:
    return f"session({_name(node.event)}{_where(node.where)}) idle {node.idle} {node.op} {node.n}"


def _rfm(node: Rfm) -> str:
    bands = [("recency", node.recency), ("frequency", node.frequency), ("monetary", node.monetary)]
    written = "".join(f" {name}{_band(band)}" for name, band in bands if band is not None)
    return f"rfm({_name(node.property)} of {_name(node.event)}) in {node.window}{written}"


def _band(band: Days | Band) -> str:
    edges = [("from", band.from_), ("to", band.to)]
    return "".join(
        f" {word} {edge if isinstance(edge, str) else _value(edge)}" for word, edge in edges if edge is not None
    )


def _segment(node: InSegment) -> str:
    return f"segment {_name(node.key)}"


def _score(node: Score) -> str:
    sure = f" confidence {_value(node.confidence)}" if node.confidence else ""
    return f"model {_name(node.model)} {node.op} {_value(node.score)}{sure}"


def _trait(node: Trait) -> str:
    return f"trait {_comparison(node.name, node.op, node.value)}"


def _step(step: Step) -> str:
    return f"{_name(step.event)}{_where(step.where)}"


def _where(conditions: Iterable[Where | Reference]) -> str:
    written = " and ".join(map(_condition, conditions))
    return f" where {written}" if written else ""


def _condition(condition: Where | Reference) -> str:
    if isinstance(condition, Reference):
        return f"{_name(condition.property)} {condition.op} step {condition.step} {_name(condition.of)}"
    return _comparison(condition.property, condition.op, condition.value)


def _comparison(name: str, op: str, value: Any) -> str:
    if op == "exists":
        return f"{_name(name)} {'exists' if value else 'missing'}"
    return f"{_name(name)} {op} {_value(value)}"


def _name(name: str) -> str:
    return name if BARE.fullmatch(name) and name not in KEYWORDS else _value(name)


def _value(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_WRITERS: Final[dict[type, Callable[[Any], str]]] = {
    And: _and,
    Or: _or,
    Not: lambda node: f"not {_closed(node.child)}",
    Count: _count,
    Sum: _sum,
    Distinct: _distinct,
    ThenNot: _then_not,
    Sequence: _sequence,
    Session: _session,
    Rfm: _rfm,
    InSegment: _segment,
    Score: _score,
    Trait: _trait,
}
