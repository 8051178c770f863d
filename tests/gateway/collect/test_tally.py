"""Events are counted once, as they were answered: the alert about refused ones fires on what a client sees."""

import asyncio
from pathlib import Path

import msgspec

from domain.outcome import Outcome
from gateway.settings import Settings
from stores.embedded.postgres import EmbeddedPostgres
from stores.migrate import migrate
from tests.fixtures.figures import counted
from tests.fixtures.gateway import Gateway, basic, event
from tests.gateway.collect.test_spooling import emptied, spooling
from tests.patience import AT_ALL

NOTE = {"product_id": "p", "note": "x" * 15_000}


def answered(gateway: Gateway) -> dict[str, float]:
    """Count the events answered so far by outcome, those of which there is none left out."""
    counts = {outcome.value: counted(gateway, "tagway_events_total", outcome=outcome) for outcome in Outcome}
    return {outcome: number for outcome, number in counts.items() if number}


async def test_what_the_spool_keeps_is_counted_once_however_often_it_is_tried(
    gateway_settings: Settings, tmp_path: Path
) -> None:
    async with spooling(gateway_settings, tmp_path) as (gateway, door):
        assert answered(gateway) == {}
        door.shut = True
        await gateway.batch(event(), event(consent={}))
        await gateway.batch(event())
        async with asyncio.timeout(AT_ALL):
            while door.refusals < 4:  # of the spool, which tries again and again
                await asyncio.sleep(0.02)
        assert answered(gateway) == {"accepted": 2, "dropped_consent": 1}
        door.shut = False
        await emptied(gateway)
        assert answered(gateway) == {"accepted": 2, "dropped_consent": 1}
        assert counted(gateway, "tagway_spool_drained_total", outcome="accepted") == 2


async def test_what_a_full_spool_refuses_is_counted_by_outcome_and_code(
    gateway_settings: Settings, server_folder: Path, tmp_path: Path
) -> None:
    server = EmbeddedPostgres(server_folder / "tally-postgres", volatile=True)
    url = await server.start()
    try:
        await migrate(url)
        settings = msgspec.structs.replace(gateway_settings, postgres_url=url)
        async with spooling(settings, tmp_path, megabytes=1) as (gateway, _):
            await gateway.batch(event())
            await server.stop()
            assert counted(gateway, "tagway_failures_total", code="spool_full") == 0
            kept = 1
            while (told := await gateway.post("/v1/track", event(properties=NOTE)))[0] == 200:
                kept += 1
            assert (told[0], told[1]["code"]) == (503, "spool_full")
            assert answered(gateway) == {"accepted": kept, "unavailable": 1}
            assert counted(gateway, "tagway_failures_total", code="spool_full") == 1

            await _pixel_and_stream_are_refused_too(gateway)
            assert answered(gateway) == {"accepted": kept, "unavailable": 4}
            assert counted(gateway, "tagway_failures_total", code="spool_full") == 3

            status, _answer = await gateway.post("/v1/batch", {"batch": [event(), event()]}, key="unheard of")
            assert status == 503
            assert answered(gateway) == {"accepted": kept, "unavailable": 6}
    finally:
        await server.stop()


async def _pixel_and_stream_are_refused_too(gateway: Gateway) -> None:
    said = {"event": "product_view", "anonymousId": "a", "properties": msgspec.json.encode(NOTE).decode()}
    pixel = {"writeKey": gateway.tenant.write_key, **said}
    async with gateway.http.get(gateway.url + "/pixel/v1/track", params=pixel) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "10")
        assert response.content_type == "image/gif"
    headers = {"Authorization": basic(gateway.tenant.write_key)}
    async with gateway.http.ws_connect(f"{gateway.url}/v1/stream", headers=headers) as socket:
        await socket.send_json({"id": 1, "batch": [event(properties=NOTE), event(properties=NOTE)]})
        assert (await socket.receive_json(timeout=AT_ALL))["code"] == "spool_full"
