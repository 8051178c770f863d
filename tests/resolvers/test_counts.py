from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.key import Scope
from resolvers.counts import rounded
from stores.workspaces import save_settings
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import Seeds

_COUNTS = """{
    viewer { countThreshold }
    profiles(first: 1) { totalCount }
    segment(key: "s") { size members(first: 1) { totalCount } }
}"""


@pytest.mark.parametrize(
    ("exact", "least", "told"),
    [(0, 20, None), (19, 20, None), (20, 20, 20), (24, 20, 20), (25, 20, 30), (22, 22, 22), (1, 1, 1), (104, 20, 100)],
)
def test_small_counts_are_hidden_and_others_rounded(exact: int, least: int, told: int | None) -> None:
    assert rounded(exact, least) == told


@given(exact=st.integers(0, 10**6), least=st.integers(1, 1000))
def test_count_is_never_told_below_the_threshold_nor_far_off(exact: int, least: int) -> None:
    told = rounded(exact, least)
    assert (told is None) == (exact < least)
    if told is not None:
        assert told >= least
        assert abs(told - exact) <= 5


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
    assert _told(await others.data(_COUNTS)) == (20, 20, 20, 20)
    assert _told(await api.data(_COUNTS)) == (None, 21, 21, 21)


async def test_a_workspace_sets_its_own_threshold(api: Api, seeds: Seeds) -> None:
    await _crowd(seeds, 7)
    resources = seeds.gateway.resources
    async with resources.database.workspace(seeds.workspace) as connection:
        await save_settings(connection, seeds.workspace, "k_threshold", 7)
    resources.workspaces._known.clear()
    others = api.with_scopes(set(Scope) - {Scope.COUNTS_EXACT})
    assert _told(await others.data(_COUNTS)) == (7, 10, 10, 10)


async def test_who_may_not_count_may_not_watch_everyone(api: Api, seeds: Seeds) -> None:
    await _crowd(seeds, 2)
    document = 'subscription { segmentChanges(segmentKeys: ["s"]) { kind profileId } }'
    story = await api.with_scopes([Scope.SEGMENTS_READ]).subscribe(document)
    assert (await story.error()).extensions["code"] == "missing_scope"
    for scope in (Scope.PROFILES_READ, Scope.COUNTS_EXACT):
        story = await api.with_scopes([Scope.SEGMENTS_READ, scope]).subscribe(document)
        assert len(await story.until("SNAPSHOT_END")) == 3
        await story.close()
