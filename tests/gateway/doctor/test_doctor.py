"""The doctor names what is wrong, each thing in a line of its own, and nothing that is well."""

import io
from pathlib import Path

import asyncpg
import msgspec
import pytest
from rich.console import Console

from gateway.cli import doctor
from gateway.settings import Settings
from tests.fixtures.collector import Collector
from tests.fixtures.doctor import examine
from tests.fixtures.terminal import tagway, tagway_process


async def test_a_sound_installation_is_well(settings: Settings) -> None:
    assert await examine(settings) == (True, [])


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
