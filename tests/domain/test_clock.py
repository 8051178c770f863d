from datetime import UTC, datetime, timedelta

import pytest

from domain.clock import SteadyClock, seconds_passed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Machine:
    """A machine on which time passes as it is told, and whose clock can be set."""

    def __init__(self) -> None:
        self.passed = 50.0
        self.off = timedelta(0)
        self.jumps: list[float] = []
        self.clock = SteadyClock(
            self.wall, lambda: self.passed, told=lambda off: self.jumps.append(off.total_seconds())
        )

    def wall(self) -> datetime:
        return NOON + timedelta(seconds=self.passed - 50.0) + self.off

    def wait(self, seconds: float) -> datetime:
        self.passed += seconds
        return self.clock()


def test_it_is_the_machines_clock_as_long_as_that_is_set_slowly() -> None:
    machine = Machine()
    for _ in range(100):
        machine.off += timedelta(seconds=0.5)
        assert machine.wait(10) == machine.wall()
    assert machine.jumps == []


@pytest.mark.parametrize("hours", [1, -1])
def test_it_stays_when_the_machines_clock_jumps_and_comes_back(hours: int) -> None:
    machine = Machine()
    machine.wait(7)
    machine.off = timedelta(hours=hours)
    assert [machine.wait(each) for each in (1, 100, 190)] == [NOON + timedelta(seconds=each) for each in (8, 108, 298)]
    machine.off = timedelta(0)
    assert machine.wait(20) == NOON + timedelta(seconds=318)
    assert machine.jumps == [3_600 * hours]


def test_a_clock_that_stays_elsewhere_is_believed_after_five_minutes() -> None:
    machine = Machine()
    machine.off = timedelta(hours=1)
    assert machine.wait(1) == NOON + timedelta(seconds=1)
    assert machine.wait(299) == NOON + timedelta(seconds=300)
    assert machine.wait(1) == NOON + timedelta(hours=1, seconds=301)
    assert machine.wait(1) == machine.wall()
    assert machine.jumps == [3_600]


def test_a_clock_that_jumps_on_has_its_five_minutes_anew() -> None:
    machine = Machine()
    machine.off = timedelta(hours=1)
    machine.wait(200)
    machine.off = timedelta(hours=-1)
    assert machine.wait(200) == NOON + timedelta(seconds=400)
    assert machine.wait(200) == NOON + timedelta(seconds=600)
    assert machine.wait(101) == machine.wall()
    assert machine.jumps == [3_600, -3_600]


def test_seconds_pass_on_this_machine() -> None:
    first = seconds_passed()
    assert seconds_passed() >= first
