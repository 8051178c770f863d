"""Reading definitions in words, as `profiles.segments.text` writes them.

```
definition  = both {"or" both}            both = single {"and" single}
single      = "not" single | "(" definition ")" | "all(" definition ")" | "any(" definition ")" | condition
condition   = "count(" event ["by" name] ")" "in" span op number
            | ("sum" | "distinct") "(" name "of" event ")" "in" span op number
            | "did(" event ")" "then" "not(" event ")" "within" span "in" span
            | "sequence(" event {"," event} ")" "within" span "in" span
            | "session(" event ")" "idle" span op number
            | "rfm(" name "of" name ")" "in" span ["recency" band] ["frequency" band] ["monetary" band]
            | "segment" name | "model" name op number ["confidence" number] | "trait" comparison
event       = name ["where" comparison {"and" comparison}]
comparison  = name (op value | "in" list | "contains" value | "exists" | "missing" | op "step" number name)
band        = ["from" edge] ["to" edge]
```
Names that are keywords, or hold more than letters, digits, dots and underscores, are quoted as in JSON.
"""

import re
from typing import Any, Final

from domain.errors import Refused
from domain.segment import Definition
from profiles.segments.definition import parse_definition
from profiles.segments.tokens import Tokens

MAX_LENGTH: Final = 20_000

_MAX_BRACKETS: Final = 50
Raw = dict[str, Any]


def parse_text(text: str) -> Definition:
    """Words → the tree of `domain.segment`.

    Raises `Refused` with code `invalid_definition` and the column, counted from 1, in `detail`: `column 27: expected
    "in", not "within"`.
    """
    if len(text) > MAX_LENGTH:
        raise Refused(
            f"column {MAX_LENGTH}: a definition has at most {MAX_LENGTH} characters", code="invalid_definition"
        )
    reader = _Reader(Tokens(text))
    raw = reader.read()
    try:
        return parse_definition(raw)
    except Refused as refused:
        place, _, problem = (refused.detail or "").partition(": ")
        raise Refused(f"column {reader.column_of(raw, place)}: {problem}", code=refused.code) from None


class _Reader:
    """Goes through the tokens once, and remembers in which column each node stands."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._depth = 0
        self._columns: dict[int, int] = {}

    def read(self) -> Raw:
        raw = self._definition()
        if self._tokens.next.kind != "end":
            self._tokens.fail('"and", "or" or the end')
        return raw

    def column_of(self, raw: Raw, place: str) -> int:
        """Find the column of the innermost node on the way to a place such as `children[1].where[0].op`."""
        column, node = self._columns.get(id(raw), 1), raw
        for step in re.findall(r"[A-Za-z_]+|[0-9]+", place):
            try:
                node = node[int(step)] if step.isdigit() else node[step]  # type: ignore[index]  # a list where it is a number
            except (KeyError, IndexError, TypeError):
                break
            column = self._columns.get(id(node), column)
        return column

    def _node(self, column: int, **fields: Any) -> Raw:
        self._columns[id(fields)] = column
        return fields

    def _definition(self) -> Raw:
        self._depth += 1
        if self._depth > _MAX_BRACKETS:
            self._tokens.fail("fewer brackets")
        column, parts = self._tokens.next.column, [self._both()]
        while self._tokens.skip("or"):
            parts.append(self._both())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else self._node(column, type="or", children=parts)

    def _both(self) -> Raw:
        column, parts = self._tokens.next.column, [self._single()]
        while self._tokens.skip("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else self._node(column, type="and", children=parts)

    def _single(self) -> Raw:
        column, negations = self._tokens.next.column, []
        while self._tokens.is_("not"):
            negations.append(self._tokens.take().column)
        if self._tokens.skip("("):
            raw = self._definition()
            self._tokens.expect(")")
        elif self._tokens.skip("all", "("):
            raw = self._group(column, "and")
        elif self._tokens.skip("any", "("):
            raw = self._group(column, "or")
        else:
            raw = self._condition()
        for place in reversed(negations):
            raw = self._node(place, type="not", child=raw)
        return raw

    def _group(self, column: int, kind: str) -> Raw:
        raw = self._node(column, type=kind, children=[self._definition()])
        self._tokens.expect(")")
        return raw

    def _condition(self) -> Raw:
        token = self._tokens.next
        read = getattr(self, f"_{token.text}", None) if token.kind == "word" and token.text in _CONDITIONS else None
        if read is None:
            self._tokens.fail("a condition")
        self._tokens.take()
        raw: Raw = read(token.column)
        return raw

    def _count(self, column: int) -> Raw:
        self._tokens.expect("(")
        event = self._event()
        by = {"by": self._tokens.name()} if self._tokens.skip("by") else {}
        self._tokens.expect(")", "in")
        window, op, n = self._tokens.span(), self._tokens.operator(), self._tokens.number()
        return self._node(column, type="count", **event, **by, window=window, op=op, n=n)

    def _sum(self, column: int) -> Raw:
        return self._of_property(column, "sum", "value")

    def _distinct(self, column: int) -> Raw:
        return self._of_property(column, "distinct", "n")

    def _of_property(self, column: int, kind: str, right: str) -> Raw:
        self._tokens.expect("(")
        name = self._tokens.name()
        self._tokens.expect("of")
        event = self._event()
        self._tokens.expect(")", "in")
        window, op = self._tokens.span(), self._tokens.operator()
        return self._node(
            column, type=kind, property=name, **event, window=window, op=op, **{right: self._tokens.number()}
        )

    def _did(self, column: int) -> Raw:
        self._tokens.expect("(")
        first = self._event()
        self._tokens.expect(")", "then", "not", "(")
        then = self._event()
        self._tokens.expect(")", "within")
        within = self._tokens.span()
        self._tokens.expect("in")
        return self._node(column, type="then_not", first=first, then=then, within=within, window=self._tokens.span())

    def _sequence(self, column: int) -> Raw:
        self._tokens.expect("(")
        steps = [self._event()]
        while self._tokens.skip(","):
            steps.append(self._event())
        self._tokens.expect(")", "within")
        within = self._tokens.span()
        self._tokens.expect("in")
        return self._node(column, type="sequence", steps=steps, within=within, window=self._tokens.span())

    def _session(self, column: int) -> Raw:
        self._tokens.expect("(")
        event = self._event()
        self._tokens.expect(")", "idle")
        idle, op = self._tokens.span(), self._tokens.operator()
        return self._node(column, type="session", **event, idle=idle, op=op, n=self._tokens.number())

    def _rfm(self, column: int) -> Raw:
        self._tokens.expect("(")
        name = self._tokens.name()
        self._tokens.expect("of")
        event = self._tokens.name()
        self._tokens.expect(")", "in")
        raw = self._node(column, type="rfm", property=name, event=event, window=self._tokens.span())
        for band, read in (
            ("recency", self._tokens.span),
            ("frequency", self._tokens.number),
            ("monetary", self._tokens.number),
        ):
            if self._tokens.is_(band):
                edges = self._node(self._tokens.take().column)
                for edge in ("from", "to"):
                    if self._tokens.skip(edge):
                        edges[edge] = read()
                raw[band] = edges
        return raw

    def _segment(self, column: int) -> Raw:
        return self._node(column, type="segment", key=self._tokens.name())

    def _model(self, column: int) -> Raw:
        raw = self._node(
            column, type="model", model=self._tokens.name(), op=self._tokens.operator(), score=self._tokens.number()
        )
        if self._tokens.skip("confidence"):
            raw["confidence"] = self._tokens.number()
        return raw

    def _trait(self, column: int) -> Raw:
        comparison = self._comparison()
        name = comparison.pop("property")
        return self._node(column, type="trait", name=name, **comparison)

    def _event(self) -> Raw:
        raw = self._node(self._tokens.next.column, event=self._tokens.name())
        if self._tokens.skip("where"):
            raw["where"] = [self._comparison()]
            while self._tokens.skip("and"):
                raw["where"].append(self._comparison())
        return raw

    def _comparison(self) -> Raw:
        column, name = self._tokens.next.column, self._tokens.name()
        for word, present in (("exists", True), ("missing", False)):
            if self._tokens.skip(word):
                return self._node(column, property=name, op="exists", value=present)
        for word in ("in", "contains"):
            if self._tokens.skip(word):
                return self._node(column, property=name, op=word, value=self._tokens.value())
        op = self._tokens.operator()
        if self._tokens.skip("step"):
            return self._node(column, property=name, op=op, step=self._tokens.number(), of=self._tokens.name())
        return self._node(column, property=name, op=op, value=self._tokens.value())


_CONDITIONS: Final = frozenset(
    ("count", "sum", "distinct", "did", "sequence", "session", "rfm", "segment", "model", "trait")
)
