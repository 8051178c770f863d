"""The doctor names what is wrong, each thing in a line of its own, and nothing that is well."""

import io
from datetime import timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest
from rich.console import Console

from domain.clock import utc_now
from domain.topics import EVENTS
from gateway.cli import doctor
from gateway.settings import Settings
from stores.eventlog.port import Record, TopicSpec
from stores.eventlog.postgres import PostgresLog
from tests.fixtures.world import Sent, World


@pytest.fixture
def settings(gateway_settings: Settings, database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return msgspec.structs.replace(
        gateway_settings, postgres_url=database_url, redis_url=redis_url, data=tmp_path, spool_megabytes=1
    )


async def examine(settings: Settings) -> tuple[bool, list[str]]:
    """Return whether all is well, and what is not."""
    said = io.StringIO()
    well = await doctor._check(settings, Console(file=said, width=300))
    return well, [line for line in said.getvalue().splitlines() if line.startswith("✗")]


async def test_a_sound_installation_is_well(settings: Settings) -> None:
    assert await examine(settings) == (True, [])


async def test_overdue_timers_are_found(settings: Settings, world: World) -> None:
    await world.send(Sent(("user_id:ada",)))
    await world.execute(
        """
        INSERT INTO leaf_state (workspace_id, profile_id, leaf, stamps, due_at)
        SELECT workspace_id, id, 'leaf', '{}', $1 FROM profile
        """,
        utc_now() - timedelta(minutes=10),
    )
    well, (wrong,) = await examine(settings)
    assert not well
    assert "timers: 1 are overdue, by up to 0:10" in wrong


async def test_events_that_nobody_builds_are_found(
    settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_MUCH", 5)
    log = PostgresLog(world.database)
    await log.ensure_topics({EVENTS: TopicSpec()})
    await log.append(EVENTS, [Record(b"key", b"value")] * 6)
    await log.close()
    well, (wrong,) = await examine(settings)
    assert not well
    assert "lag: 6 events are not built yet" in wrong


async def test_a_clock_that_differs_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "utc_now", lambda: utc_now() + timedelta(seconds=30))
    well, (wrong,) = await examine(settings)
    assert not well
    assert "clock is -30." in wrong


async def test_a_spool_without_room_is_found(settings: Settings) -> None:
    well, (wrong,) = await examine(msgspec.structs.replace(settings, spool_megabytes=1_000_000))
    assert not well
    assert "may grow to 1,000,000 MB" in wrong


async def test_what_the_spool_has_put_aside_is_told(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "spool" / "0"
    folder.mkdir(parents=True)
    for suffix in ("spool", "rejected", "damaged"):
        (folder / f"{1:016d}.{suffix}").write_bytes(bytes(3_000))
    told = await doctor._spool(msgspec.structs.replace(settings, spool=folder.parent))
    assert told == f"3 KB wait in {folder.parent}, 2 files of 6 KB are put aside and take room from it"


async def test_what_is_probably_not_meant_is_said_and_is_no_fault(settings: Settings) -> None:
    odd = msgspec.structs.replace(settings, profile="production", public_url="http://shop.example")
    assert await examine(odd) == (True, [])
    said = await doctor._wisdom(odd)
    assert "TAGWAY_PUBLIC_URL is not https" in said
    assert "TAGWAY_ERASURE_JOURNAL is not set" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"postgres_url": "postgresql://nobody@127.0.0.1:1/none"}, "Postgres: Postgres is not reachable"),
        ({"redis_url": "redis://127.0.0.1:1"}, "Redis: "),
        ({"kafka_bootstrap": "127.0.0.1:1"}, "event log: "),
        ({"master_key": "AAAA"}, "master key: "),
        ({"spool": Path("/proc/nowhere")}, "spool: "),
        ({"token_issuers": Path("/nowhere/issuers.json")}, "token issuers: TAGWAY_TOKEN_ISSUERS cannot be read"),
    ],
)
async def test_each_thing_that_is_named_wrongly_is_found(
    settings: Settings, changes: dict[str, object], said: str
) -> None:
    well, wrong = await examine(msgspec.structs.replace(settings, **changes))
    assert not well
    assert any(said in line for line in wrong), wrong


async def test_a_schema_of_an_older_release_is_found(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.postgres_url)
    await connection.execute("DELETE FROM schema_migration WHERE number = (SELECT max(number) FROM schema_migration)")
    await connection.close()
    well, wrong = await examine(settings)
    assert not well
    assert any("Postgres: answers, but lacks 0" in line for line in wrong), wrong


async def test_changes_that_nobody_publishes_are_found(
    settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_MUCH", 1)
    log = PostgresLog(world.database)
    await log.ensure_topics({EVENTS: TopicSpec()})
    await log.close()
    await world.execute(
        """
        INSERT INTO segment_change (workspace_id, profile_id, profile_version, segment_id, segment_key,
            segment_version, kind, at, cause)
        SELECT gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), 'key', 1, 'entered', now(), '{}'
        """
    )
    well, (wrong,) = await examine(settings)
    assert not well
    assert "lag: 1 segment changes wait to be published" in wrong
