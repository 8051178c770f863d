"""The log built anew in another database gives the same people, whatever happened to them."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import msgspec
import pytest
from rich.progress import Progress

from domain.errors import Refused
from gateway.build import open_processor
from gateway.cli.replay import rebuild, replay
from gateway.settings import Settings
from gateway.wiring import open_resources
from stores.migrate import pending
from tests.fixtures.gateway import Gateway, event, listening, make_tenant
from tests.patience import AT_ALL

PEOPLE = """
    SELECT array_agg(encode(index, 'hex') ORDER BY kind, index) AS aliases, traits, counters,
        (SELECT array_agg(segment.key ORDER BY segment.key) FROM membership JOIN segment ON segment.id = segment_id
         WHERE membership.profile_id = profile.id) AS segments
    FROM profile JOIN subject ON subject.profile_id = profile.id JOIN alias ON alias.subject_id = subject.id
    GROUP BY profile.id, traits, counters ORDER BY aliases
"""
SEGMENT = """
    INSERT INTO segment (workspace_id, id, key, name, version, definition, status, created_at, updated_at)
    VALUES ($1, gen_random_uuid(), 'lookers', '', 1, $2::text::jsonb, 'building', now(), now())
"""


async def people(url: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url)
    try:
        return [dict(row) for row in await connection.fetch(PEOPLE)]
    finally:
        await connection.close()


QUESTIONS = """
    INSERT INTO match_candidate (workspace_id, id, subject_id, other_subject_id, score, scores, status, found_at, actor)
    SELECT workspace_id, gen_random_uuid(), id, later, 0.9, '{}', status, now(), 'import'
    FROM (SELECT workspace_id, id, lead(id) OVER (ORDER BY id) AS later, row_number() OVER (ORDER BY id) AS place
          FROM subject) AS pair
    JOIN unnest(ARRAY['open', 'rejected', 'accepted', 'merged']) WITH ORDINALITY AS answer (status, place) USING (place)
"""


async def answers(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT status FROM match_candidate ORDER BY subject_id")
        return [row["status"] for row in rows]
    finally:
        await connection.close()


async def live_a_little(settings: Settings) -> None:
    """Let people come, look, sign in on two devices, and be merged."""
    url = str(settings.postgres_url)
    stop = asyncio.Event()
    async with open_processor(settings) as processor, open_resources(settings) as resources:
        building = asyncio.create_task(processor.run(stop))
        async with aiohttp.ClientSession() as http, listening(resources) as address:
            gateway = Gateway(address, await make_tenant(url), url, http, resources)
            definition = {"type": "count", "event": "product_view", "op": ">=", "n": 3, "window": "30d"}
            await gateway.sql(SEGMENT, gateway.tenant.workspace, msgspec.json.encode(definition).decode())
            await gateway.sql("UPDATE workspace SET definitions_version = definitions_version + 1")
            for turn in range(4):
                events = [event(anonymousId=f"device-{n}") for n in range(12)]
                signed_in = [
                    {
                        **event(anonymousId=f"device-{n}", userId=f"user-{n % 5}"),
                        "type": "identify",
                        "traits": {"plan": "pro"},
                    }
                    for n in range(turn * 2, turn * 2 + 3)
                ]
                await gateway.batch(*events, *signed_in)
            async with asyncio.timeout(AT_ALL):
                while not (
                    (await gateway.sql("SELECT count(*) FROM event"))[0][0] == 60
                    and (await gateway.sql("SELECT status FROM segment"))[0][0] == "live"
                ):
                    await asyncio.sleep(0.1)
            await gateway.sql(QUESTIONS)
        stop.set()
        await building


async def test_profiles_counters_traits_and_segments_are_the_same(
    gateway_settings: Settings, database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(gateway_settings, postgres_url=database_url, data=tmp_path)
    await live_a_little(settings)
    before = await people(database_url)
    with Progress(disable=True) as progress:
        read, built = await rebuild(settings, empty_database_url, starts={}, since=None, progress=progress)
    assert (read, built) == (60, 60)
    after = await people(empty_database_url)
    assert len(before) < 12  # some were merged
    assert any(person["segments"] for person in before)
    assert after == before
    assert await answers(database_url) == ["open", "rejected", "accepted", "merged"]
    assert await answers(empty_database_url) == ["open", "rejected", "open"]
    assert await people(database_url) == before

    with Progress(disable=True) as progress, pytest.raises(Refused, match="not empty"):
        await rebuild(settings, empty_database_url, starts={}, since=None, progress=progress)


def test_a_target_that_is_no_address_is_refused_unseen() -> None:
    with pytest.raises(Refused, match="--into: cannot be taken apart: percent-encode") as caught:
        replay("postgresql://tagway:hush#hush@db.example/new")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("start", "said"), [((99, 5), "the log has no partition 99"), ((0, 5), "partition 0 ends at 0")]
)
async def test_a_place_that_the_log_does_not_have_is_refused_before_anything_is_done(
    gateway_settings: Settings,
    database_url: str,
    empty_database_url: str,
    tmp_path: Path,
    start: tuple[int, int],
    said: str,
) -> None:
    settings = msgspec.structs.replace(gateway_settings, postgres_url=database_url, data=tmp_path)
    async with open_processor(settings):
        pass  # the topic is there from now on
    with Progress(disable=True) as progress, pytest.raises(Refused, match=said):
        await rebuild(settings, empty_database_url, starts=dict([start]), since=None, progress=progress)
    assert await pending(empty_database_url), "the target has no schema yet"
