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
from typing import Any, Final, NamedTuple, NoReturn

import msgspec

from domain.errors import Refused
from domain.segment import Definition
from profiles.segments.definition import parse_definition
from profiles.segments.text import KEYWORDS

MAX_LENGTH: Final = 20_000

_MAX_BRACKETS: Final = 50
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*") | (?P<span>[0-9]+[smhdw]\b)
        | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
        | (?P<word>[A-Za-z_][A-Za-z0-9_.]*) | (?P<sign>==|!=|>=|<=|[><(),\[\]])
    )""",
    re.ASCII | re.VERBOSE,
)
_OPERATORS: Final = ("==", "!=", ">", ">=", "<", "<=")
_END: Final = "the end"

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
    reader = _Reader(_tokens(text))
    raw = reader.read()
    try:
        return parse_definition(raw)
    except Refused as refused:
        place, _, problem = (refused.detail or "").partition(": ")
        raise Refused(f"column {reader.column_of(raw, place)}: {problem}", code=refused.code) from None


class _Token(NamedTuple):
    kind: str
    text: str
    column: int

    @property
    def shown(self) -> str:
        return self.text if self.kind == "end" else f'"{self.text}"'


def _tokens(text: str) -> list[_Token]:
    tokens, place = [], 0
    end = len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            column = place + 1 + len(text[place:]) - len(text[place:].lstrip())
            raise Refused(f'column {column}: "{text[column - 1]}" means nothing here', code="invalid_definition")
        tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
        place = match.end()
    return [*tokens, _Token("end", _END, end + 1)]


class _Reader:
    """Goes through the tokens once, and remembers in which column each node stands."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0
        self._columns: dict[int, int] = {}

    def read(self) -> Raw:
        raw = self._definition()
        if self._next.kind != "end":
            self._fail('"and", "or" or the end')
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

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _fail(self, expected: str) -> NoReturn:
        problem = f"column {self._next.column}: expected {expected}, not {self._next.shown}"
        raise Refused(problem, code="invalid_definition")

    def _is(self, *words: str) -> bool:
        return self._next.text in words and self._next.kind in ("word", "sign")

    def _skip(self, *words: str) -> bool:
        """Go past the words if they are next."""
        those = self._tokens[self._place : self._place + len(words)]
        if [token.text for token in those] != list(words) or any(token.kind == "string" for token in those):
            return False
        self._place += len(words)
        return True

    def _expect(self, *words: str) -> None:
        for word in words:
            if not self._skip(word):
                self._fail(f'"{word}"')

    def _take(self) -> _Token:
        token = self._next
        self._place += token.kind != "end"
        return token

    def _node(self, column: int, **fields: Any) -> Raw:
        self._columns[id(fields)] = column
        return fields

    def _definition(self) -> Raw:
        self._depth += 1
        if self._depth > _MAX_BRACKETS:
            self._fail("fewer brackets")
        column, parts = self._next.column, [self._both()]
        while self._skip("or"):
            parts.append(self._both())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else self._node(column, type="or", children=parts)

    def _both(self) -> Raw:
        column, parts = self._next.column, [self._single()]
        while self._skip("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else self._node(column, type="and", children=parts)

    def _single(self) -> Raw:
        column, negations = self._next.column, []
        while self._is("not"):
            negations.append(self._take().column)
        if self._skip("("):
            raw = self._definition()
            self._expect(")")
        elif self._skip("all", "(") or self._skip("any", "("):
            kind = "and" if self._tokens[self._place - 2].text == "all" else "or"
            raw = self._node(column, type=kind, children=[self._definition()])
            self._expect(")")
        else:
            raw = self._condition()
        for place in reversed(negations):
            raw = self._node(place, type="not", child=raw)
        return raw

    def _condition(self) -> Raw:
        token = self._next
        read = getattr(self, f"_{token.text}", None) if token.kind == "word" and token.text in _CONDITIONS else None
        if read is None:
            self._fail("a condition")
        self._place += 1
        raw: Raw = read(token.column)
        return raw

    def _count(self, column: int) -> Raw:
        self._expect("(")
        event = self._event()
        by = {"by": self._name()} if self._skip("by") else {}
        self._expect(")", "in")
        window, op, n = self._span(), self._operator(), self._number()
        return self._node(column, type="count", **event, **by, window=window, op=op, n=n)

    def _sum(self, column: int) -> Raw:
        return self._of_property(column, "sum", "value")

    def _distinct(self, column: int) -> Raw:
        return self._of_property(column, "distinct", "n")

    def _of_property(self, column: int, kind: str, right: str) -> Raw:
        self._expect("(")
        name = self._name()
        self._expect("of")
        event = self._event()
        self._expect(")", "in")
        window, op = self._span(), self._operator()
        return self._node(column, type=kind, property=name, **event, window=window, op=op, **{right: self._number()})

    def _did(self, column: int) -> Raw:
        self._expect("(")
        first = self._event()
        self._expect(")", "then", "not", "(")
        then = self._event()
        self._expect(")", "within")
        within = self._span()
        self._expect("in")
        return self._node(column, type="then_not", first=first, then=then, within=within, window=self._span())

    def _sequence(self, column: int) -> Raw:
        self._expect("(")
        steps = [self._event()]
        while self._skip(","):
            steps.append(self._event())
        self._expect(")", "within")
        within = self._span()
        self._expect("in")
        return self._node(column, type="sequence", steps=steps, within=within, window=self._span())

    def _session(self, column: int) -> Raw:
        self._expect("(")
        event = self._event()
        self._expect(")", "idle")
        idle, op = self._span(), self._operator()
        return self._node(column, type="session", **event, idle=idle, op=op, n=self._number())

    def _rfm(self, column: int) -> Raw:
        self._expect("(")
        name = self._name()
        self._expect("of")
        event = self._name()
        self._expect(")", "in")
        raw = self._node(column, type="rfm", property=name, event=event, window=self._span())
        for band, read in (("recency", self._span), ("frequency", self._number), ("monetary", self._number)):
            if self._is(band):
                edges = self._node(self._take().column)
                for edge in ("from", "to"):
                    if self._skip(edge):
                        edges[edge] = read()
                raw[band] = edges
        return raw

    def _segment(self, column: int) -> Raw:
        return self._node(column, type="segment", key=self._name())

    def _model(self, column: int) -> Raw:
        raw = self._node(column, type="model", model=self._name(), op=self._operator(), score=self._number())
        if self._skip("confidence"):
            raw["confidence"] = self._number()
        return raw

    def _trait(self, column: int) -> Raw:
        comparison = self._comparison()
        name = comparison.pop("property")
        return self._node(column, type="trait", name=name, **comparison)

    def _event(self) -> Raw:
        raw = self._node(self._next.column, event=self._name())
        if self._skip("where"):
            raw["where"] = [self._comparison()]
            while self._skip("and"):
                raw["where"].append(self._comparison())
        return raw

    def _comparison(self) -> Raw:
        column, name = self._next.column, self._name()
        for word, present in (("exists", True), ("missing", False)):
            if self._skip(word):
                return self._node(column, property=name, op="exists", value=present)
        for word in ("in", "contains"):
            if self._skip(word):
                return self._node(column, property=name, op=word, value=self._value())
        op = self._operator()
        if self._skip("step"):
            return self._node(column, property=name, op=op, step=self._number(), of=self._name())
        return self._node(column, property=name, op=op, value=self._value())

    def _name(self) -> str:
        if self._next.kind == "string":
            name = self._value()
            return str(name)
        if self._next.kind != "word" or self._next.text in KEYWORDS:
            self._fail("a name (a keyword must be quoted)" if self._next.text in KEYWORDS else "a name")
        return self._take().text

    def _operator(self) -> str:
        if not self._is(*_OPERATORS):
            self._fail("one of " + " ".join(_OPERATORS))
        return self._take().text

    def _span(self) -> str:
        if self._next.kind != "span":
            self._fail("a duration such as 24h")
        return self._take().text

    def _number(self) -> Any:
        if self._next.kind != "number":
            self._fail("a number")
        return self._value()

    def _value(self) -> Any:
        if self._skip("["):
            items: list[Any] = []
            while not self._skip("]"):
                if items:
                    self._expect(",")
                items.append(self._value())
            return items
        if self._next.kind not in ("string", "number") and not self._is("true", "false", "null"):
            self._fail("a value")
        try:
            return msgspec.json.decode(self._next.text)
        except msgspec.DecodeError:
            self._fail("a value as in JSON")
        finally:
            self._place += 1


_CONDITIONS: Final = frozenset(
    ("count", "sum", "distinct", "did", "sequence", "session", "rfm", "segment", "model", "trait")
)
