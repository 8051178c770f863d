from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from resolvers.cursor import Cursors

_CURSORS = Cursors(b"k" * 32)


@given(st.text(), st.tuples(st.datetimes(timezones=st.just(UTC)), st.text(), st.uuids()))
def test_a_cursor_reads_back_as_its_place(sort: str, place: tuple[datetime, str, UUID]) -> None:
    cursor = _CURSORS.sign(sort, place)
    assert _CURSORS.read(sort, cursor, tuple[datetime, str, UUID]) == place
    assert cursor.isascii()


@given(st.text() | st.binary().map(lambda raw: raw.hex()))
def test_what_was_not_signed_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        _CURSORS.read("list", text, str)


@given(st.data())
def test_a_changed_cursor_is_refused(data: st.DataObject) -> None:
    cursor = _CURSORS.sign("list", "place")
    at = data.draw(st.integers(0, len(cursor) - 2))
    letter = data.draw(st.sampled_from("AZaz09-_").filter(lambda each: each != cursor[at]))
    with pytest.raises(Refused):
        _CURSORS.read("list", cursor[:at] + letter + cursor[at + 1 :], str)


def test_a_cursor_of_another_list_workspace_or_shape_is_refused() -> None:
    cursor = _CURSORS.sign("list", "place")
    assert _CURSORS.read("list", cursor, str) == "place"
    with pytest.raises(Refused):
        _CURSORS.read("other", cursor, str)
    with pytest.raises(Refused):
        _CURSORS.read("list", cursor, int)
    with pytest.raises(Refused):
        Cursors(b"o" * 32).read("list", cursor, str)
