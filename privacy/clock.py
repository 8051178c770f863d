"""The periods that the law sets for answering a person. Days are those of UTC; a moment counts to the second.

Where a statute lets a period that ends on a weekend run on to the next working day (Regulation 1182/71, article 3(4)),
the earlier day is kept: an answer by then is in time under every reading.
"""

from calendar import monthrange
from collections.abc import Collection
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from domain.request import Regime, RequestKind

_WEEKEND: Final = (5, 6)
_MONTHS: Final = 1
_MONTHS_EXTENDED: Final = 3
_WARN_AFTER_DAYS: Final = 25
_CONFIRM_BUSINESS_DAYS: Final = 10
_ANSWER_DAYS: Final = 45
_ANSWER_DAYS_EXTENDED: Final = 90
_ANSWER_WARN_DAYS: Final = 40
_STOP_BUSINESS_DAYS: Final = 15
_STOP_WARN_BUSINESS_DAYS: Final = 10
_STOPS: Final = frozenset({RequestKind.OPT_OUT, RequestKind.LIMIT_SENSITIVE})


class Deadlines(msgspec.Struct, frozen=True):
    """What is owed by when; None where no confirmation is owed, and where no extension may be taken."""

    warn_at: datetime
    due_at: datetime
    confirm_by: datetime | None = None
    extended_due_at: datetime | None = None


class Timeliness(StrEnum):
    """How a request stands against its period."""

    ON_TIME = "on_time"
    WARNING = "warning"
    OVERDUE = "overdue"


def deadlines(
    kind: RequestKind, regime: Regime, received_at: datetime, holidays: Collection[date] = frozenset()
) -> Deadlines:
    """Give the periods of a request that came at `received_at`.

    GDPR 12(3): one month, and two more with notice and reason. 11 CCR 7021: confirm within 10 business days, answer
    within 45 days, 90 with notice; 7026(f) and 7027(g): opt-out and limitation take effect within 15 business days,
    which nothing extends. `holidays` are the days that are no business days beside Saturdays and Sundays.
    """
    if regime is Regime.GDPR:
        return Deadlines(
            warn_at=received_at + timedelta(days=_WARN_AFTER_DAYS),
            due_at=add_months(received_at, _MONTHS),
            extended_due_at=add_months(received_at, _MONTHS_EXTENDED),
        )
    if kind in _STOPS:
        return Deadlines(
            warn_at=add_business_days(received_at, _STOP_WARN_BUSINESS_DAYS, holidays),
            due_at=add_business_days(received_at, _STOP_BUSINESS_DAYS, holidays),
        )
    return Deadlines(
        warn_at=received_at + timedelta(days=_ANSWER_WARN_DAYS),
        due_at=received_at + timedelta(days=_ANSWER_DAYS),
        confirm_by=add_business_days(received_at, _CONFIRM_BUSINESS_DAYS, holidays),
        extended_due_at=received_at + timedelta(days=_ANSWER_DAYS_EXTENDED),
    )


def timeliness(
    period: Deadlines, now: datetime, *, finished_at: datetime | None = None, extended: bool = False
) -> Timeliness:
    """Tell how a request stands at `now`, or stood when it was finished. An extension puts off warning and due date."""
    due_at, warn_at = period.due_at, period.warn_at
    if extended and period.extended_due_at is not None:
        warn_at += period.extended_due_at - due_at
        due_at = period.extended_due_at
    if (finished_at or now) > due_at:
        return Timeliness.OVERDUE
    return Timeliness.WARNING if finished_at is None and now >= warn_at else Timeliness.ON_TIME


def add_months(moment: datetime, months: int) -> datetime:
    """Go calendar months on: the same day of the month, or its last where it has no such day."""
    years, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=years, month=month + 1, day=min(moment.day, monthrange(years, month + 1)[1]))


def add_business_days(moment: datetime, days: int, holidays: Collection[date] = frozenset()) -> datetime:
    """Go business days on, the day of `moment` not counted."""
    while days:
        moment += timedelta(days=1)
        days -= moment.weekday() not in _WEEKEND and moment.date() not in holidays
    return moment
