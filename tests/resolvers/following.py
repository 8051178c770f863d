"""Following the changes of segments, as a test speaks of it."""

from typing import Any

from tests.fixtures.graphql import Api, Story
from tests.fixtures.seeds import Seeds

CHANGES = """subscription ($profile: ProfileBy, $keys: [String!], $after: String) {
    segmentChanges(profile: $profile, segmentKeys: $keys, after: $after) {
        cursor kind profileId profileVersion segmentKey segmentVersion cause
    } }"""


def gist(payloads: list[Any]) -> list[tuple[str, str | None]]:
    return [(each["kind"], each["segmentKey"]) for each in payloads]


async def make_segments(seeds: Seeds, number: int) -> list[str]:
    for n in range(number):
        await seeds.segment(f"s{n}")
    return [f"s{n}" for n in range(number)]


async def follow(api: Api, **variables: Any) -> tuple[Story, list[Any]]:
    story = await api.subscribe(CHANGES, **variables)
    return story, await story.until("SNAPSHOT_END")
