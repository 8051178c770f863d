import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from domain.alias import Alias, AliasKind
from stores.journal import Entry, Journal, decode_entry, encode_entry

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
ALIASES = st.builds(Alias, st.sampled_from(AliasKind), st.integers(1, 9), st.binary(min_size=32, max_size=32))


def entry(subject: UUID | None = None) -> Entry:
    return Entry(uuid4(), uuid4(), (subject or uuid4(),), (Alias(AliasKind.EMAIL, 1, bytes(32)),), AT)


@given(
    st.uuids(), st.none() | st.uuids(), st.lists(st.uuids()), st.lists(ALIASES), st.datetimes(timezones=st.just(UTC))
)
def test_entries_come_back_as_they_were_written(
    workspace: UUID, request: UUID | None, subjects: list[UUID], aliases: list[Alias], at: datetime
) -> None:
    written = Entry(workspace, request, tuple(subjects), tuple(aliases), at)
    line = encode_entry(written)
    assert b"\n" not in line
    assert decode_entry(line) == written


async def test_a_journal_is_read_in_order_and_by_its_owner_only(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "erasures.jsonl")
    assert list(journal.read()) == []
    written = [entry() for _ in range(3)]
    for each in written:
        await journal.append(each)
    assert list(journal.read()) == written
    assert (tmp_path / "erasures.jsonl").stat().st_mode & 0o777 == 0o600


async def test_a_line_cut_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "erasures.jsonl"
    journal, first, last = Journal(path), entry(), entry()
    await journal.append(first)
    await journal.append(entry())
    os.truncate(path, path.stat().st_size - 20)
    await journal.append(last)
    assert list(journal.read()) == [first, last]


async def test_a_journal_is_completed_with_what_it_lacks(tmp_path: Path) -> None:
    journal, entries = Journal(tmp_path / "erasures.jsonl"), [entry() for _ in range(3)]
    assert not journal.exists
    await journal.complete([])
    assert journal.exists
    assert list(journal.read()) == []
    await journal.append(entries[0])
    await journal.complete(entries[1:])
    assert list(journal.read()) == entries
