from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.key import Scope
from resolvers.counts import Teller, rounded
from stores.workspaces import save_settings
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import Seeds

_COUNTS = """{
    viewer { countThreshold }
    profiles(first: 1) { totalCount }
    segment(key: "s") { size members(first: 1) { totalCount } }
}"""


@pytest.mark.parametrize(
    ("exact", "draw", "told"),
    [(0, 255, None), (19, 255, None), (20, 0, 20), (20, 255, 20), (24, 0, 20), (24, 255, 30), (104, 0, 100)],
)
def test_small_counts_are_hidden_and_others_rounded(exact: int, draw: int, told: int | None) -> None:
    assert rounded(exact, 20, draw) == told


@given(exact=st.integers(0, 10**6), least=st.integers(1, 1000), draw=st.integers(0, 255), guard=st.integers(0, 255))
def test_count_is_never_told_below_the_threshold_nor_far_off(exact: int, least: int, draw: int, guard: int) -> None:
    told = rounded(exact, least, draw, guard)
    if told is None:
        assert exact < 1.5 * least
    else:
        assert exact >= least
        assert told >= least
        assert abs(told - exact) < 10


def test_questions_that_differ_by_one_person_are_not_told_apart() -> None:
    numbers = Teller(20, bytes(32))
    without = [numbers.tell(44, f"everyone but them {n}") or 0 for n in range(2000)]
    with_ = [numbers.tell(45, f"everyone and them {n}") or 0 for n in range(2000)]
    assert set(without) == set(with_) == {40, 50}
    assert fmean(without) == pytest.approx(44, abs=0.6)
    assert fmean(with_) == pytest.approx(45, abs=0.6)
    assert {numbers.tell(44, "the same") for _ in range(100)} == {numbers.tell(44, "the same")}


def test_a_step_over_the_threshold_of_one_s_own_question_tells_little() -> None:
    numbers = Teller(20, bytes(32))
    shown = {
        people: sum(numbers.tell(people, f"{people} {n}", own=True) is not None for n in range(1000))
        for people in (19, 20, 25, 30)
    }
    assert shown[19] == 0
    assert shown[20] < 50
    assert 200 < shown[25] < 500
    assert shown[30] == 1000
    assert numbers.tell(20, "a saved segment") == 20


async def _crowd(seeds: Seeds, people: int) -> None:
    segment = await seeds.segment("s")
    for number in range(people):
        await seeds.join(await seeds.profile(anonymous_id=f"a-{number}"), segment)


def _told(data: Any) -> tuple[Any, ...]:
    segment = data["segment"]
    return (
        data["viewer"]["countThreshold"],
        data["profiles"]["totalCount"],
        segment["size"],
        segment["members"]["totalCount"],
    )


async def test_counts_of_people_need_a_scope_to_be_exact(api: Api, seeds: Seeds) -> None:
    await _crowd(seeds, 19)
    others = api.with_scopes(set(Scope) - {Scope.COUNTS_EXACT})
    assert _told(await api.data(_COUNTS)) == (None, 19, 19, 19)
    assert _told(await others.data(_COUNTS)) == (20, None, None, None)
    await seeds.join(await seeds.profile(), await seeds.value("id"))
    await seeds.join(await seeds.profile(), await seeds.value("id"))
    threshold, *told = _told(await others.data(_COUNTS))
    assert threshold == 20
    assert {*told} <= {20, 30}
    assert told[1] == told[2]
    assert _told(await others.data(_COUNTS)) == (20, *told)
    assert _told(await api.data(_COUNTS)) == (None, 21, 21, 21)


async def test_a_workspace_sets_its_own_threshold(api: Api, seeds: Seeds) -> None:
    await _crowd(seeds, 7)
    resources = seeds.gateway.resources
    async with resources.database.workspace(seeds.workspace) as connection:
        await save_settings(connection, seeds.workspace, "k_threshold", 7)
    resources.workspaces._known.clear()
    others = api.with_scopes(set(Scope) - {Scope.COUNTS_EXACT})
    threshold, *told = _told(await others.data(_COUNTS))
    assert threshold == 7
    assert {*told} <= {7, 10}


async def test_who_may_not_count_may_not_watch_everyone(api: Api, seeds: Seeds) -> None:
    await _crowd(seeds, 2)
    document = 'subscription { segmentChanges(segmentKeys: ["s"]) { kind profileId } }'
    story = await api.with_scopes([Scope.SEGMENTS_READ]).subscribe(document)
    assert (await story.error()).extensions["code"] == "missing_scope"
    for scope in (Scope.PROFILES_READ, Scope.COUNTS_EXACT):
        story = await api.with_scopes([Scope.SEGMENTS_READ, scope]).subscribe(document)
        assert len(await story.until("SNAPSHOT_END")) == 3
        await story.close()
