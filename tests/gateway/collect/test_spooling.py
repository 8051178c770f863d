"""With the log or Postgres away events are acknowledged by the disk, and are in the log once all is back."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from domain.errors import LogUnavailable, TagwayError
from domain.event import decode_event
from gateway.resources import Resources
from gateway.settings import Settings
from gateway.wiring import open_resources
from privacy.keys import LocalMasterKey
from stores.embedded.postgres import EmbeddedPostgres
from stores.eventlog.port import Record
from stores.migrate import migrate
from stores.spool.spool import Spool
from tests.fixtures.gateway import Gateway, event, listening, make_tenant
from tests.patience import AT_ALL


class Door:
    """The log behind a door that can be shut."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.shut = False
        self.refusals = 0
        """How often somebody stood before the shut door."""
        self.faulty: bytes | None = None
        """A record that holds this trips our own code."""
        self.refused: bytes | None = None
        """A record that holds this is never acknowledged."""
        self.stuck: asyncio.Event | None = None
        """The log answers nothing until it is set, as behind a network that drops everything."""

    async def append(self, topic: str, records: Sequence[Record]) -> list[TagwayError | None]:
        if self.stuck is not None:
            await self.stuck.wait()
        if self.shut:
            self.refusals += 1
            return [LogUnavailable() for _ in records]
        for record in records:
            if self.faulty and self.faulty in record.value:
                raise RuntimeError("nobody foresaw this")
            if self.refused and self.refused in record.value:
                return [LogUnavailable() for _ in records]
        results: list[TagwayError | None] = await self._log.append(topic, records)
        return results


@asynccontextmanager
async def spooling(settings: Settings, folder: Path, megabytes: int = 10) -> AsyncIterator[tuple[Gateway, Door]]:
    """Run a gateway with a spool of its own, and a workspace of the test's own."""
    settings = msgspec.structs.replace(settings, spool=folder, spool_megabytes=megabytes)
    url = str(settings.postgres_url)
    async with open_resources(settings) as resources, aiohttp.ClientSession() as http:
        door = _door(resources)
        async with listening(resources) as address:
            await warmed(resources)
            yield Gateway(address, await make_tenant(url), url, http, resources), door


async def warmed(resources: Resources) -> None:
    """Wait for what is loaded ahead of the first request: other tests' models lie in the same database."""
    async with asyncio.timeout(2 * AT_ALL):
        while not resources.warming.over:
            await asyncio.sleep(0.02)


def _door(resources: Resources) -> Door:
    (*_, (_, append)) = resources.collector._pipeline._steps
    append._log = Door(append._log)  # type: ignore[attr-defined]
    door: Door = append._log  # type: ignore[attr-defined]
    return door


async def emptied(gateway: Gateway, within: float = AT_ALL) -> None:
    waiting = gateway.resources.spooling
    assert waiting is not None
    async with asyncio.timeout(within):
        while waiting.waiting:
            await asyncio.sleep(0.02)


def files(root: Path, suffix: str) -> list[Path]:
    return list(root.rglob(f"*.{suffix}"))


async def figure(gateway: Gateway, name: str) -> float:
    """Read a metric without labels."""
    async with gateway.http.get(gateway.url + "/metrics") as response:
        [value] = [line.split()[1] for line in (await response.text()).splitlines() if line.startswith(f"{name} ")]
    return float(value)


async def readiness(gateway: Gateway) -> tuple[int, str]:
    """Ask as a balancer does."""
    async with gateway.http.get(gateway.url + "/readyz") as response:
        return response.status, (await response.json())["status"]


async def order(gateway: Gateway) -> dict[str, list[str]]:
    """List the message ids on the log by subject, in their order within its partition."""
    rows = await gateway.sql(
        """
        SELECT value FROM log_record WHERE topic = 'tagway.events' AND position($1::bytea IN value) > 0
        ORDER BY partition, "offset"
        """,
        str(gateway.tenant.workspace).encode(),
    )
    by_subject = defaultdict(list)
    for row in rows:
        each = decode_event(row["value"])
        by_subject[str(each.subject)].append(each.message_id)
    return by_subject


async def test_without_the_log_events_are_kept_and_come_to_it_later_in_each_persons_order(
    gateway_settings: Settings, tmp_path: Path
) -> None:
    async with spooling(gateway_settings, tmp_path) as (gateway, door):
        door.shut = True
        for number in range(30):
            results = await gateway.batch(
                event(anonymousId=f"p{number % 3}", messageId=f"{number}a"),
                event(anonymousId=f"p{number % 3}", messageId=f"{number}b"),
            )
            assert [each["outcome"] for each in results] == ["accepted", "accepted"]
        assert await gateway.logged() == []
        async with gateway.http.get(gateway.url + "/readyz") as response:
            assert response.status == 200
        door.shut = False
        await gateway.batch(event(anonymousId="p0", messageId="last"))
        await emptied(gateway)
        found = await order(gateway)
    expected = [[f"{n}{half}" for n in range(who, 30, 3) for half in "ab"] for who in range(3)]
    expected[0].append("last")
    for ids in expected:
        # What the first attempt left on the log twice the builder tells by its id; its first place is what counts.
        assert ids in [list(dict.fromkeys(each)) for each in found.values()]


async def test_a_log_that_says_nothing_keeps_nobody_waiting_and_what_came_by_both_ways_is_one(
    gateway_settings: Settings, tmp_path: Path
) -> None:
    async with spooling(gateway_settings, tmp_path) as (gateway, door):
        anonymous = event()
        del anonymous["messageId"]
        await gateway.batch(event())
        door.stuck = asyncio.Event()
        # The log never answers, so that without a deadline none of these would be answered either.
        async with asyncio.timeout(60):
            results = [*await gateway.batch(anonymous, {"type": "track"}), *await gateway.batch(event())]
            results += [result for _ in range(20) for result in await gateway.batch(event())]
        assert [result["outcome"] for result in results] == ["accepted", "invalid", *["accepted"] * 21]
        assert gateway.resources.spooling is not None
        assert gateway.resources.spooling.waiting == 22
        door.stuck.set()
        await emptied(gateway, 60)
        logged = [each.message_id for each in await gateway.logged()]
        assert len(set(logged)) == 23
        assert {result["message_id"] for result in results if result["outcome"] == "accepted"} < set(logged)


async def test_a_restart_drains_before_it_is_ready(gateway_settings: Settings, tmp_path: Path) -> None:
    async with spooling(gateway_settings, tmp_path) as (gateway, door):
        door.shut = True
        await gateway.batch(event(messageId="kept"))
        tenant = gateway.tenant
    async with spooling(gateway_settings, tmp_path) as (gateway, door):
        door.shut = True
        async with gateway.http.get(gateway.url + "/readyz") as response:
            answer = await response.json()
        drained = gateway.resources.spooling
        assert drained is not None
        if not drained.drained:  # the drain may have been quicker than the door was shut
            assert (response.status, answer["status"]) == (503, "draining")
        door.shut = False
        await emptied(gateway)
        assert [each.message_id for each in await gateway.logged(tenant.workspace)] == ["kept"]


async def test_an_event_without_an_id_keeps_the_one_it_was_answered_with(
    gateway_settings: Settings, tmp_path: Path
) -> None:
    async with spooling(gateway_settings, tmp_path) as (gateway, door):
        door.shut = True
        nameless = [event(messageId=None), event(messageId=None)]
        answered = [(await gateway.batch(each))[0]["message_id"] for each in nameless]
        door.shut = False
        await emptied(gateway)
        assert {each.message_id for each in await gateway.logged()} == set(answered)


async def test_what_breaks_the_protocol_or_the_plan_is_told_at_once(gateway_settings: Settings, tmp_path: Path) -> None:
    async with spooling(gateway_settings, tmp_path) as (gateway, door):
        door.shut = True
        await gateway.batch(event())
        results = await gateway.batch(event(), event(type="dance"), event(properties={"price": "dear"}), 5)
        assert [each["outcome"] for each in results] == ["accepted", "invalid", "invalid", "invalid"]


async def test_a_full_spool_refuses_with_a_time_to_come_again(gateway_settings: Settings, tmp_path: Path) -> None:
    async with spooling(gateway_settings, tmp_path, megabytes=1) as (gateway, door):
        door.shut = True
        body = {"batch": [event(properties={"product_id": "p", "note": "x" * 15_000}) for _ in range(25)]}
        for _ in range(10):
            status, answer = await gateway.post("/v1/batch", body)
            if status != 200:
                break
        assert (status, answer["code"]) == (503, "spool_full")
        async with gateway.http.get(gateway.url + "/readyz") as response:
            assert response.status == 200  # the stores answer; only the door is shut
        door.shut = False
        await emptied(gateway)
        await gateway.batch(event())


async def test_people_who_are_erased_meanwhile_are_not_brought_back(gateway_settings: Settings, tmp_path: Path) -> None:
    async with spooling(gateway_settings, tmp_path) as (gateway, door):
        await gateway.batch(event(anonymousId="gone", messageId="before"))
        door.shut = True
        await gateway.batch(event(anonymousId="gone", messageId="spooled"))
        await gateway.sql(
            """
            INSERT INTO suppression SELECT workspace_id, kind, version, index, 'erased', now() FROM alias
            WHERE workspace_id = $1
            """,
            gateway.tenant.workspace,
        )
        await gateway.sql("DELETE FROM subject WHERE workspace_id = $1", gateway.tenant.workspace)
        await gateway.resources.redis.flushdb()
        door.shut = False
        await emptied(gateway)
        assert [each.message_id for each in await gateway.logged()] == ["before"]
        assert not files(tmp_path, "spool")


async def test_a_request_that_our_code_trips_over_holds_nobody_up(gateway_settings: Settings, tmp_path: Path) -> None:
    async with spooling(gateway_settings, tmp_path) as (gateway, door):
        door.shut = True
        await gateway.batch(event(messageId="poison", anonymousId="a"))
        await gateway.batch(event(messageId="sound", anonymousId="b"))
        door.faulty = b"poison"
        door.shut = False
        await emptied(gateway)
        assert [each.message_id for each in await gateway.logged()] == ["sound"]
        workspace = gateway.tenant.workspace
        assert files(tmp_path, "rejected")
    async with spooling(gateway_settings, tmp_path) as (gateway, _):
        await emptied(gateway)
        assert {each.message_id for each in await gateway.logged(workspace)} == {"sound", "poison"}


async def test_a_request_that_no_store_will_ever_take_is_put_aside(
    gateway_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.collect.spooling._SUSPECT", 2)
    monkeypatch.setattr("gateway.collect.spooling._HOPELESS", 3)
    async with spooling(gateway_settings, tmp_path) as (gateway, door):
        door.shut = True
        await gateway.batch(event(messageId="stuck", anonymousId="a"))
        await gateway.batch(event(messageId="sound", anonymousId="b"))
        door.refused = b"stuck"
        door.shut = False
        await emptied(gateway)
        assert [each.message_id for each in await gateway.logged()] == ["sound"]
        assert files(tmp_path, "rejected")


async def test_what_is_damaged_is_counted_and_kept_and_all_else_comes_through(
    gateway_settings: Settings, tmp_path: Path
) -> None:
    async with spooling(gateway_settings, tmp_path) as (gateway, door):
        door.shut = True
        for number in range(3):
            await gateway.batch(event(messageId=f"{number}"))
        workspace = gateway.tenant.workspace
        assert await figure(gateway, "tagway_spool_oldest_seconds") > 0
    path = min(files(tmp_path, "spool"))
    data = bytearray(path.read_bytes())
    data[300] ^= 1  # within the first request, which lies behind the frame of the key
    path.write_bytes(data)
    async with spooling(gateway_settings, tmp_path) as (gateway, _):
        await emptied(gateway)
        assert [each.message_id for each in await gateway.logged(workspace)] == ["1", "2"]
        assert await figure(gateway, "tagway_spool_damaged_total") == 1
        assert await figure(gateway, "tagway_spool_bytes_aside") == len(data)
        assert await figure(gateway, "tagway_spool_oldest_seconds") == 0
        assert path.with_suffix(".damaged").read_bytes() == bytes(data)


async def test_what_this_version_does_not_know_is_kept_for_one_that_does(
    gateway_settings: Settings, tmp_path: Path
) -> None:
    spool = await Spool.open(tmp_path, LocalMasterKey(gateway_settings.read_master_key()), most_bytes=1_000_000)
    await spool.append(b"of a later version")
    await spool.close()
    async with spooling(gateway_settings, tmp_path) as (gateway, _):
        await emptied(gateway)
        assert files(tmp_path, "rejected")
        assert await figure(gateway, "tagway_spool_rejected_total") == 1


async def test_what_a_gateway_left_that_is_gone_is_drained_by_one_that_runs(
    gateway_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.spool.spool._LOOK_SECONDS", 0.0)
    async with spooling(gateway_settings, tmp_path) as (here, _):
        async with spooling(gateway_settings, tmp_path) as (gone, door):
            door.shut = True
            await gone.batch(event(messageId="left"))
            workspace = gone.tenant.workspace
        async with asyncio.timeout(AT_ALL):
            while files(tmp_path, "spool"):
                await asyncio.sleep(0.02)
        assert [each.message_id for each in await here.logged(workspace)] == ["left"]


async def test_without_postgres_known_keys_are_served_and_nothing_is_lost(
    gateway_settings: Settings, server_folder: Path, tmp_path: Path
) -> None:
    server = EmbeddedPostgres(server_folder / "spool-postgres", volatile=True)
    url = await server.start()
    try:
        await migrate(url)
        settings = msgspec.structs.replace(gateway_settings, postgres_url=url)
        async with spooling(settings, tmp_path) as (gateway, _):
            await gateway.batch(event(messageId="before"))
            await server.stop()
            for number in range(5):
                assert (await gateway.batch(event(messageId=f"away-{number}")))[0]["outcome"] == "accepted"
            status, answer = await gateway.post("/v1/batch", {"batch": [event()]}, key="unheard of")
            assert (status, answer["code"]) == (503, "store_unavailable")
            async with gateway.http.get(gateway.url + "/readyz") as response:
                assert (response.status, (await response.json())["status"]) == (200, "spooling")
            assert await server.start() == url
            await emptied(gateway)
            ids = [each.message_id for each in await gateway.logged()]
            assert ids == ["before", *(f"away-{number}" for number in range(5))]
    finally:
        await server.stop()


async def test_a_disk_that_takes_nothing_is_told_to_balancers_until_it_takes_again(
    gateway_settings: Settings, server_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.spool.spool._TRY_SECONDS", 0.05)
    server = EmbeddedPostgres(server_folder / "disk-postgres", volatile=True)
    url = await server.start()
    try:
        await migrate(url)
        settings = msgspec.structs.replace(gateway_settings, postgres_url=url)
        async with spooling(settings, tmp_path) as (gateway, _):
            await gateway.batch(event(messageId="before"))
            await server.stop()
            away = (tmp_path / "0").rename(tmp_path / "away")
            status, answer = await gateway.post("/v1/batch", {"batch": [event()]})
            assert (status, answer["code"]) == (503, "spool_full")
            assert await readiness(gateway) == (503, "unavailable")
            away.rename(tmp_path / "0")
            async with asyncio.timeout(AT_ALL):
                while await readiness(gateway) != (200, "spooling"):
                    await asyncio.sleep(0.02)
            assert (await gateway.batch(event(messageId="after")))[0]["outcome"] == "accepted"
            assert await server.start() == url
            await emptied(gateway)
            assert [each.message_id for each in await gateway.logged()] == ["before", "after"]
    finally:
        await server.stop()
