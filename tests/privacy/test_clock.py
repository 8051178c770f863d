from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.request import Regime, RequestKind
from privacy.clock import Timeliness, add_business_days, add_months, deadlines, timeliness
from tests.fixtures.world import StillClock

MONDAY = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
NEW_YEAR = frozenset({date(2026, 1, 1)})


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-01-05", "2026-02-05"),
        ("2026-01-31", "2026-02-28"),
        ("2028-01-31", "2028-02-29"),
        ("2026-03-31", "2026-04-30"),
        ("2026-12-15", "2027-01-15"),
    ],
)
def test_a_month_ends_on_the_same_day_or_on_the_last(received: str, due: str) -> None:
    moment = datetime.fromisoformat(received).replace(tzinfo=UTC)
    assert add_months(moment, 1).date() == date.fromisoformat(due)


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year < 9_000), st.integers(0, 24))
def test_months_never_overshoot(moment: datetime, months: int) -> None:
    later = add_months(moment, months)
    assert (later.year * 12 + later.month) - (moment.year * 12 + moment.month) == months
    assert later.day <= moment.day
    assert later.time() == moment.time()


def test_weekends_and_holidays_are_no_business_days() -> None:
    thursday = datetime(2025, 12, 31, 12, tzinfo=UTC) - timedelta(days=6)
    assert add_business_days(thursday, 1).date() == date(2025, 12, 26)
    assert add_business_days(thursday, 2).date() == date(2025, 12, 29)
    assert add_business_days(thursday, 5, NEW_YEAR).date() == date(2026, 1, 2)
    assert add_business_days(MONDAY + timedelta(days=5), 1).date() == date(2026, 1, 12)


def test_gdpr_warns_on_day_25_and_is_breached_after_one_calendar_month() -> None:
    clock = StillClock(MONDAY)
    period = deadlines(RequestKind.ACCESS, Regime.GDPR, clock())
    assert timeliness(period, clock()) is Timeliness.ON_TIME
    clock.advance(days=25)
    assert timeliness(period, clock()) is Timeliness.WARNING
    clock.now = period.due_at
    assert clock().date() == date(2026, 2, 5)
    assert timeliness(period, clock()) is Timeliness.WARNING
    clock.advance(seconds=1)
    assert timeliness(period, clock()) is Timeliness.OVERDUE
    assert timeliness(period, clock(), extended=True) is Timeliness.ON_TIME
    clock.now = datetime(2026, 4, 5, 9, 31, tzinfo=UTC)
    assert timeliness(period, clock(), extended=True) is Timeliness.OVERDUE
    assert timeliness(period, clock(), finished_at=MONDAY + timedelta(days=3)) is Timeliness.ON_TIME
    assert timeliness(period, MONDAY, finished_at=period.due_at + timedelta(days=1)) is Timeliness.OVERDUE


def test_ccpa_confirms_in_10_business_days_and_answers_in_45_days() -> None:
    period = deadlines(RequestKind.ERASE, Regime.CCPA, MONDAY, frozenset({date(2026, 1, 19)}))
    assert period.confirm_by is not None
    assert period.confirm_by.date() == date(2026, 1, 20)
    assert period.due_at == MONDAY + timedelta(days=45)
    assert period.extended_due_at == MONDAY + timedelta(days=90)


@pytest.mark.parametrize("kind", [RequestKind.OPT_OUT, RequestKind.LIMIT_SENSITIVE])
def test_ccpa_opt_outs_take_effect_in_15_business_days_and_cannot_be_extended(kind: RequestKind) -> None:
    period = deadlines(kind, Regime.CCPA, MONDAY)
    assert period.due_at.date() == date(2026, 1, 26)
    assert period.extended_due_at is None
    assert timeliness(period, period.due_at + timedelta(days=1), extended=True) is Timeliness.OVERDUE
