from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.collect.skew import correct, read_moment

RECEIVED = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), _LAST - datetime(1970, 1, 1, tzinfo=UTC)).map(lambda since: _LAST - since)
HALF_PAST_TWO = datetime(2024, 4, 25, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-04-25T14:30:00Z", HALF_PAST_TWO),
        ("2024-04-25T14:30:00.000Z", HALF_PAST_TWO),
        ("2024-04-25T14:30:00.000000000Z", HALF_PAST_TWO),
        ("2024-04-25T14:30:00.0000000+00:00", HALF_PAST_TWO),
        ("2024-04-25T16:30:00+0200", HALF_PAST_TWO),
        ("2024-04-25T10:30:00-04:00", HALF_PAST_TWO),
        ("2024-04-25 14:30:00", HALF_PAST_TWO),
        ("2024-04-25T14:30:00", HALF_PAST_TWO),
        (" 2024-04-25T14:30Z ", HALF_PAST_TWO),
        ("20240425T143000Z", HALF_PAST_TWO),
        ("2024-04-25", datetime(2024, 4, 25, tzinfo=UTC)),
        (1714055400, HALF_PAST_TWO),
        (1714055400.0, HALF_PAST_TWO),
        (1714055400000, HALF_PAST_TWO),
        (None, None),
        ("", None),
    ],
)
def test_every_sdk_s_spelling_is_read(written: object, moment: datetime | None) -> None:
    assert read_moment(written) == moment


@pytest.mark.parametrize(
    "written",
    ["yesterday", "25/04/2024", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "٢٠٢٤", -1, 1e300, True, [], {}],
)
def test_what_is_no_moment_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_moment(written)


def test_a_number_too_large_for_a_float_is_no_moment() -> None:
    with pytest.raises(ValueError, match="out of range"):
        read_moment(10**400)


@pytest.mark.parametrize("clock_error", [timedelta(0), timedelta(days=400), timedelta(hours=-3)])
def test_a_wrong_clock_is_corrected_by_how_long_the_call_waited(clock_error: timedelta) -> None:
    happened, waited = RECEIVED - timedelta(minutes=10), timedelta(minutes=10)
    original = happened + clock_error
    assert correct(original, original + waited, RECEIVED) == happened


def test_a_clock_that_was_put_back_while_the_call_waited_counts_as_sent_at_once() -> None:
    assert correct(RECEIVED, RECEIVED - timedelta(days=2), RECEIVED) == RECEIVED


def test_without_a_sending_time_the_client_s_time_stands() -> None:
    long_ago = datetime(2001, 2, 3, tzinfo=UTC)
    assert correct(long_ago, None, RECEIVED) == long_ago
    assert correct(None, None, RECEIVED) == RECEIVED
    assert correct(None, long_ago, RECEIVED) == RECEIVED


@given(st.none() | MOMENTS, st.none() | MOMENTS)
def test_nothing_happens_before_1970_or_more_than_five_minutes_ahead(
    original: datetime | None, sent: datetime | None
) -> None:
    corrected = correct(original, sent, RECEIVED)
    assert datetime(1970, 1, 1, tzinfo=UTC) <= corrected <= RECEIVED + timedelta(minutes=5)


@given(MOMENTS)
def test_what_we_write_ourselves_is_read_back(moment: datetime) -> None:
    assert read_moment(moment.isoformat()) == moment
