"""Patterns that check what comes from outside: `$` would let a newline through at the end."""

import re
from pathlib import Path

import msgspec
import pytest

from domain.errors import Refused
from learning.lists import Context
from resolvers.recommendation import read_context

_HOME = Path(__file__).parents[1]
_FOLDERS = ("domain", "gateway", "learning", "privacy", "profiles", "resolvers", "stores", "tag_sdk")
_LOOSE = re.compile(r"""pattern=r?(?P<quote>["']).*\$(?P=quote)""")


def test_no_pattern_of_a_field_ends_where_a_newline_may_follow() -> None:
    loose = [
        f"{file.relative_to(_HOME)}:{number}"
        for folder in _FOLDERS
        for file in (_HOME / folder).rglob("*.py")
        if "node_modules" not in file.parts
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if _LOOSE.search(line)
    ]
    assert loose == []


@pytest.mark.parametrize("word", ["homepage\n", "home page", "", "w" * 65, "ann@example.com"])
def test_a_context_is_one_short_word(word: str) -> None:
    with pytest.raises(Refused, match="short names"):
        read_context({"page_type": word})
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"page_type": word}, Context)
