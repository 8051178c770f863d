"""The words of a definition, one after another."""

import re
from typing import Any, Final, NamedTuple, NoReturn

import msgspec

from domain.errors import Refused
from profiles.segments.text import KEYWORDS

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


class Token(NamedTuple):
    """A word, a sign or a value, and the column where it begins, counted from 1."""

    kind: str
    text: str
    column: int

    @property
    def shown(self) -> str:
        """Say it in a message."""
        return self.text if self.kind == "end" else f'"{self.text}"'


class Tokens:
    """Goes through a text once. What it reads raises `Refused` if something else comes."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._place = 0

    @property
    def next(self) -> Token:
        """Show what comes, without going past it."""
        return self._tokens[self._place]

    def fail(self, expected: str) -> NoReturn:
        """Refuse what comes."""
        problem = f"column {self.next.column}: expected {expected}, not {self.next.shown}"
        raise Refused(problem, code="invalid_definition")

    def is_(self, *words: str) -> bool:
        """Tell whether one of the words comes."""
        return self.next.text in words and self.next.kind in ("word", "sign")

    def skip(self, *words: str) -> bool:
        """Go past the words if they are next."""
        those = self._tokens[self._place : self._place + len(words)]
        if [token.text for token in those] != list(words) or any(token.kind == "string" for token in those):
            return False
        self._place += len(words)
        return True

    def expect(self, *words: str) -> None:
        """Go past the words. Raises `Refused` if others come."""
        for word in words:
            if not self.skip(word):
                self.fail(f'"{word}"')

    def take(self) -> Token:
        """Go past what comes, and give it."""
        token = self.next
        self._place += token.kind != "end"
        return token

    def name(self) -> str:
        """Read a name."""
        if self.next.kind == "string":
            return str(self.value())
        if self.next.kind != "word" or self.next.text in KEYWORDS:
            self.fail("a name (a keyword must be quoted)" if self.next.text in KEYWORDS else "a name")
        return self.take().text

    def operator(self) -> str:
        """Read how two things are compared."""
        if not self.is_(*_OPERATORS):
            self.fail("one of " + " ".join(_OPERATORS))
        return self.take().text

    def span(self) -> str:
        """Read a duration."""
        if self.next.kind != "span":
            self.fail("a duration such as 24h")
        return self.take().text

    def number(self) -> Any:
        """Read a number."""
        if self.next.kind != "number":
            self.fail("a number")
        return self.value()

    def value(self) -> Any:
        """Read a value, or a list of such, as in JSON."""
        if self.skip("["):
            items: list[Any] = []
            while not self.skip("]"):
                if items:
                    self.expect(",")
                items.append(self.value())
            return items
        if self.next.kind not in ("string", "number") and not self.is_("true", "false", "null"):
            self.fail("a value")
        try:
            return msgspec.json.decode(self.next.text)
        except msgspec.DecodeError:
            self.fail("a value as in JSON")
        finally:
            self._place += 1


def _tokens(text: str) -> list[Token]:
    tokens, place = [], 0
    end = len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            column = place + 1 + len(text[place:]) - len(text[place:].lstrip())
            raise Refused(f'column {column}: "{text[column - 1]}" means nothing here', code="invalid_definition")
        tokens.append(Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
        place = match.end()
    return [*tokens, Token("end", _END, end + 1)]
