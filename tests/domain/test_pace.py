from hypothesis import given
from hypothesis import strategies as st

from domain.pace import Pace

PACES = st.builds(Pace, a_second=st.integers(1, 10_000), at_once=st.integers(1, 10_000))
REQUESTS = st.lists(st.tuples(st.floats(0, 10), st.integers(1, 3_000)), max_size=30)


@given(pace=PACES, requests=REQUESTS)
def test_no_stretch_of_time_sees_more_than_the_pace_and_what_may_come_at_once(
    pace: Pace, requests: list[tuple[float, int]]
) -> None:
    now, full_at, admitted = 0.0, float("-inf"), list[tuple[float, int]]()
    for pause, events in requests:
        now += pause
        if pace.room(full_at, now) >= events:
            full_at = pace.moved(full_at, now, events)
            admitted.append((now, events))
    for first, (began, _) in enumerate(admitted):
        for last in range(first, len(admitted)):
            events = sum(each for _, each in admitted[first : last + 1])
            assert events <= pace.at_once + (admitted[last][0] - began) * pace.a_second + 0.01


@given(pace=PACES, events=st.integers(1, 10_000))
def test_after_the_wait_there_is_room(pace: Pace, events: int) -> None:
    events = min(events, pace.at_once)
    full_at = pace.moved(float("-inf"), 0.0, pace.at_once)
    lacking = events - pace.room(full_at, 0.0)
    assert pace.room(full_at, pace.wait(lacking) + 1e-6) >= events
