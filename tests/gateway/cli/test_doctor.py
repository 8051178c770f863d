"""The doctor names what is wrong, each thing in a line of its own, and nothing that is well."""

import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from rich.console import Console

from domain.clock import utc_now
from domain.topics import EVENTS
from gateway.brokers import read_brokers
from gateway.cli import doctor
from gateway.cli.data import DataFolder, find_made_key
from gateway.doctor import events, pace, stores
from gateway.doctor.disk import check_spool
from gateway.doctor.finding import Finding
from gateway.doctor.keys import check_master_key
from gateway.doctor.pace import check_lag
from gateway.doctor.stores import check_event_log
from gateway.doctor.wisdom import check_settings
from gateway.settings import Settings
from privacy.keys import LocalMasterKey, new_key
from profiles.builder import GROUP
from stores.embedded.valkey import EmbeddedValkey
from stores.eventlog.open import open_log
from stores.eventlog.port import Record, TopicSpec
from stores.eventlog.postgres import PostgresLog
from stores.offsets import lock_offsets, save_offsets
from stores.plans import add_plan
from stores.spool.spool import Spool
from tests.fixtures.collector import Collector
from tests.fixtures.gateway import MASTER_KEY
from tests.fixtures.guarded import PASSWORD, USER, Guarded
from tests.fixtures.refusing import refused
from tests.fixtures.terminal import tagway, tagway_process
from tests.fixtures.world import Sent, World
from tests.gateway.test_issuers import RSA, published

_OTHER = bytes(reversed(range(32)))


@pytest.fixture
def settings(gateway_settings: Settings, database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return msgspec.structs.replace(
        gateway_settings, postgres_url=database_url, redis_url=redis_url, data=tmp_path, spool_megabytes=1
    )


@pytest.fixture
async def world(world: World) -> World:
    """Its workspace has a key that the master key opens."""
    await world.execute("UPDATE workspace SET wrapped_key = $1", await LocalMasterKey(MASTER_KEY).wrap(new_key()))
    return world


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes have passed since anything was done."""
    monkeypatch.setattr(pace, "utc_now", lambda: utc_now() + timedelta(minutes=2))


async def examine(settings: Settings) -> tuple[bool, list[str]]:
    """Return whether all is well, and what is not."""
    said = io.StringIO()
    well = await doctor.examine(settings, Console(file=said, width=400))
    return well, [line for line in said.getvalue().splitlines() if line.startswith("✗")]


async def plan(world: World, *, saved_at: datetime) -> None:
    """Save a plan that keeps everything for 30 days."""
    document = {"version": 1, "retention_days": 30, "context": {}, "fields": {}, "traits": {}, "events": {}}
    async with world.database.across() as connection:
        await add_plan(connection, world.workspace, document, saved_at)


async def test_a_sound_installation_is_well(settings: Settings) -> None:
    assert await examine(settings) == (True, [])


async def test_a_redis_that_takes_nothing_is_found(settings: Settings, moody_valkey: EmbeddedValkey) -> None:
    async with refused(moody_valkey, "full"):
        well, (wrong,) = await examine(msgspec.structs.replace(settings, redis_url=moody_valkey.url))
    assert not well
    assert "Redis: answers, and does not take what it is given" in wrong


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
    monkeypatch.setattr(pace, "_MUCH", 5)
    log = PostgresLog(world.database)
    await log.ensure_topics({EVENTS: TopicSpec()})
    await log.append(EVENTS, [Record(b"key", b"value")] * 6)
    await log.close()
    well, (wrong,) = await examine(settings)
    assert not well
    assert "lag: 6 events are not built yet" in wrong


@pytest.mark.parametrize("kind", ["postgres", "kafka"])
async def test_one_event_that_nobody_has_built_for_a_minute_is_found(
    settings: Settings, world: World, request: pytest.FixtureRequest, kind: str
) -> None:
    if kind == "kafka":
        settings = msgspec.structs.replace(settings, kafka_bootstrap=request.getfixturevalue("kafka_bootstrap"))
    log = await open_log(read_brokers(settings), world.database)
    try:
        before = await log.ends(EVENTS)
        await _reach(world, await log.source(EVENTS), before)
        await log.append(EVENTS, [Record(b"key", b"value")])
        assert await examine(settings) == (True, [])
        request.getfixturevalue("later")
        well, (wrong,) = await examine(settings)
        assert not well
        assert "lag: 1 events are not built yet, the oldest for 0:02:0" in wrong
        await _reach(world, await log.source(EVENTS), await log.ends(EVENTS))
        assert await examine(settings) == (True, [])
    finally:
        await log.close()


async def test_how_many_partitions_there_are_is_told_where_the_settings_say_otherwise(settings: Settings) -> None:
    assert (await check_lag(settings)).endswith("; 4 partitions")
    said = await check_lag(msgspec.structs.replace(settings, log_partitions=16))
    assert said.endswith("; 4 partitions, as the topic was made: TAGWAY_LOG_PARTITIONS=16 changes nothing")


async def _reach(world: World, source: str, places: dict[int, int]) -> None:
    async with world.database.across() as connection:
        await lock_offsets(connection, GROUP, source, list(places))
        await save_offsets(connection, GROUP, source, places)


async def test_events_that_nobody_sweeps_are_found(settings: Settings, world: World) -> None:
    month_ago = utc_now() - timedelta(days=30)
    old, older = month_ago - timedelta(hours=12), month_ago - timedelta(days=2, hours=1)
    await world.send(Sent(("user_id:ada",), received_at=old))
    await plan(world, saved_at=month_ago)
    assert await examine(settings) == (True, [])
    await world.send(Sent(("user_id:ada",), received_at=older))
    well, (wrong,) = await examine(settings)
    assert not well
    assert "retention: test has events whose time has been over for 2 days" in wrong
    await plan(world, saved_at=utc_now())
    assert await examine(settings) == (True, []), "a plan that is new has not been swept by yet"


async def test_a_quarter_that_nobody_has_prepared_for_is_found(
    settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((ends,),) = await world.fetch("SELECT max(ends) FROM event_part")
    monkeypatch.setattr(events, "utc_now", lambda: ends - timedelta(days=31))
    assert await examine(settings) == (True, [])
    monkeypatch.setattr(events, "utc_now", lambda: ends - timedelta(days=29))
    well, (wrong,) = await examine(settings)
    assert not well
    assert "quarters: the events of the coming quarter have no part of their table yet" in wrong


async def test_a_clock_that_differs_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "utc_now", lambda: utc_now() + timedelta(seconds=30))
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
    told = await check_spool(msgspec.structs.replace(settings, spool=folder.parent))
    assert told == f"3 KB wait in {folder.parent}, 2 files of 6 KB are put aside and take room from it"


@pytest.mark.parametrize("suffix", [".spool", ".rejected"])
async def test_a_spool_that_was_sealed_under_another_master_key_is_found(
    settings: Settings, tmp_path: Path, suffix: str
) -> None:
    spool = await Spool.open(tmp_path / "spool", LocalMasterKey(_OTHER), most_bytes=1_000_000)
    await spool.append(bytes(100_000))
    await spool.close()
    [path] = (tmp_path / "spool").glob("*/*.spool")
    path = path.rename(path.with_suffix(suffix))
    well, (wrong,) = await examine(settings)
    assert not well
    assert f"spool: 1 files were sealed under another master key, as {path}" in wrong
    previous = msgspec.structs.replace(settings, previous_master_key=_OTHER.hex())
    assert await examine(previous) == (True, [])


async def test_a_long_line_is_not_broken(settings: Settings, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(settings, erasure_journal=tmp_path / ("long" * 30) / "erasures.jsonl")
    said = io.StringIO()
    assert not await doctor.examine(settings, Console(file=said, width=80))
    assert f"{settings.erasure_journal} cannot be written" in said.getvalue()


async def test_the_settings_are_listed_one_to_a_line(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 50)
    _, printed, _ = await tagway("doctor", data=str(folder), log_level="debug")
    lines = [line.split() for line in printed.splitlines()]
    assert ["TAGWAY_DATA", str(folder)] in lines
    assert ["TAGWAY_POSTGRES_URL", "not", "set"] in lines


async def test_what_is_probably_not_meant_is_said_and_is_no_fault(settings: Settings) -> None:
    odd = msgspec.structs.replace(settings, profile="production", public_url="http://shop.example")
    assert await examine(odd) == (True, [])
    said = await check_settings(odd)
    assert "TAGWAY_PUBLIC_URL is not https" in said
    assert await check_settings(settings) == "nothing is odd"
    assert "TAGWAY_HOST=0.0.0.0" in await check_settings(msgspec.structs.replace(settings, host="0.0.0.0"))
    assert "TAGWAY_ERASURE_JOURNAL is not set" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"postgres_url": "postgresql://nobody@127.0.0.1:1/none"}, "Postgres: Postgres is not reachable"),
        ({"redis_url": "redis://127.0.0.1:1"}, "Redis: "),
        ({"kafka_bootstrap": "127.0.0.1:1"}, "event log: "),
        ({"master_key": "AAAA"}, "master key: "),
        ({"spool": Path("/proc/nowhere")}, "spool: "),
        ({"query_manifest": Path("/nowhere/manifest.json")}, "query manifest: TAGWAY_QUERY_MANIFEST cannot be read"),
        ({"token_issuers": Path("/nowhere/issuers.json")}, "token issuers: TAGWAY_TOKEN_ISSUERS cannot be read"),
        ({"traces": "otlp"}, "traces: no collector takes spans"),
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


async def _change(world: World) -> None:
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


async def test_changes_that_nobody_publishes_are_found(
    settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_MUCH", 1)
    await _change(world)
    well, (wrong,) = await examine(settings)
    assert not well
    assert "lag: 1 segment changes wait to be published" in wrong


@pytest.mark.parametrize("numbered", [False, True], ids=["unnumbered", "numbered"])
async def test_one_change_that_nobody_has_published_for_a_minute_is_found(
    settings: Settings, world: World, request: pytest.FixtureRequest, numbered: bool
) -> None:
    await _change(world)
    if numbered:  # Redis or the log has not taken it
        await world.execute("UPDATE segment_change SET position = 1")
        await world.execute("UPDATE publisher SET last_position = 1")
    assert await examine(settings) == (True, [])
    request.getfixturevalue("later")
    _, (wrong,) = await examine(settings)
    assert "lag: 1 segment changes wait to be published, the oldest for 0:02:0" in wrong


async def test_a_master_key_that_opens_nothing_is_found(settings: Settings, world: World, tmp_path: Path) -> None:
    assert await examine(settings) == (True, [])
    await world.execute(
        "INSERT INTO workspace (id, name, wrapped_key, created_at) VALUES (gen_random_uuid(), 'other', $1, now())",
        await LocalMasterKey(_OTHER).wrap(new_key()),
    )
    well, (wrong,) = await examine(settings)
    assert not well
    assert "master key: well formed, and does not open 1 of 2 keys of workspaces" in wrong
    previous = msgspec.structs.replace(settings, previous_master_key=_OTHER.hex())
    assert await examine(previous) == (True, [])

    made = msgspec.structs.replace(settings, master_key=None)
    assert "none yet" in await check_master_key(find_made_key(made))
    DataFolder(tmp_path).make_master_key()
    with pytest.raises(Finding, match="does not open 2 of 2"):
        await check_master_key(find_made_key(made))


async def test_a_journal_that_cannot_be_written_is_found_and_one_that_can_is_left_alone(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    for place in (folder, folder / "missing" / "erasures.jsonl", Path("/proc/erasures.jsonl")):
        well, (wrong,) = await examine(msgspec.structs.replace(settings, erasure_journal=place))
        assert not well
        assert f"erasure journal: {place} cannot be written (" in wrong
    journal = folder / "erasures.jsonl"
    good = msgspec.structs.replace(settings, erasure_journal=journal)
    assert await examine(good) == (True, [])
    assert list(folder.iterdir()) == []
    journal.write_bytes(b"{}\n")
    as_it_was = journal.stat()
    assert await examine(good) == (True, [])
    assert journal.stat() == as_it_was
    assert list(folder.iterdir()) == [journal]


async def test_a_spool_that_can_be_written_is_left_alone_and_a_file_in_its_place_is_found(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    assert await examine(msgspec.structs.replace(settings, spool=folder)) == (True, [])
    assert list(folder.iterdir()) == []
    (folder / "file").touch()
    _, (wrong,) = await examine(msgspec.structs.replace(settings, spool=folder / "file"))
    assert f"spool: {folder / 'file'} cannot be written" in wrong


async def test_brokers_that_refuse_us_are_found(settings: Settings, guarded_broker: Guarded) -> None:
    known = msgspec.structs.replace(
        settings,
        kafka_bootstrap=guarded_broker.clear,
        kafka_security="sasl_plaintext",
        kafka_sasl_mechanism="PLAIN",
        kafka_user=USER,
        kafka_password=PASSWORD,
    )
    assert await check_event_log(known) == f"Kafka, {guarded_broker.clear} lets us in"
    assert "sasl_plaintext" in await check_settings(known)
    with pytest.raises(Finding, match="refuses the user or the password"):
        await check_event_log(msgspec.structs.replace(known, kafka_password="hush-other"))


async def test_a_provider_without_usable_keys_is_found(settings: Settings, tmp_path: Path) -> None:
    listed = [{"issuer": "https://login.example/", "audience": "a", "workspace": str(uuid4()), "jwks": "/nowhere"}]
    file = tmp_path / "issuers.json"
    file.write_bytes(msgspec.json.encode(listed))
    _, (wrong,) = await examine(msgspec.structs.replace(settings, token_issuers=file))
    assert "token issuers: no usable keys from https://login.example/" in wrong


async def test_a_provider_that_speaks_for_no_workspace_is_found(
    settings: Settings, world: World, tmp_path: Path
) -> None:
    keys, file = tmp_path / "keys.json", tmp_path / "issuers.json"
    keys.write_text(json.dumps({"keys": [published(RSA, "k1")]}))
    for workspace, wrong in ((world.workspace, []), (uuid4(), ["https://login.example/"])):
        listed = [{"issuer": "https://login.example/", "audience": "a", "workspace": workspace, "jwks": str(keys)}]
        file.write_bytes(msgspec.json.encode(listed))
        _, said = await examine(msgspec.structs.replace(settings, token_issuers=file))
        assert said == [f"✗ token issuers: there is no workspace of the id that is given for {each}" for each in wrong]


async def test_a_collector_that_takes_spans_is_well(settings: Settings, collector: Collector) -> None:
    assert await examine(msgspec.structs.replace(settings, traces="otlp")) == (True, [])
    assert collector.spans == []


async def test_what_a_database_refuses_ends_one_check_and_not_all(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.postgres_url)
    await connection.execute("ALTER TABLE dead_letter RENAME TO elsewhere")
    await connection.close()
    well, wrong = await examine(settings)
    assert not well
    assert "✗ dead letters: refused: UndefinedTableError" in wrong
    assert not any("master key" in line for line in wrong)


async def test_brokers_that_are_away_are_told_to_the_operator_in_lines_of_ours_alone(
    settings: Settings, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    _, wrong = await examine(msgspec.structs.replace(settings, kafka_bootstrap="127.0.0.1:1"))
    assert [line for line in wrong if "retry" in line] == []
    assert "✗ lag: the event log does not answer" in wrong
    code, _, said = await tagway_process(
        "doctor", postgres_url=database_url, redis_url=redis_url, kafka_bootstrap="127.0.0.1:1", data=str(tmp_path)
    )
    assert (code, said) == (1, "")
