import asyncio
import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from gateway.logs import configure_logs, without_quotes
from gateway.settings import Settings, SettingsError
from tests.patience import AT_ALL

ROOT = Path(__file__).parents[2]
_TRIPPING = """
import sys
from gateway.cli.main import main
from profiles.timers import Timers

async def run(self):
    raise KeyError("ann@example.com")

Timers.run = run
sys.argv = ["tagway", "build"]
main()
"""
"""A builder with a fault of ours in it."""


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the process logs, until the test is over."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    try:
        configure_logs(stream)
        yield stream
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)


def test_libraries_log_without_what_they_quote(stream: io.StringIO) -> None:
    log = logging.getLogger("some.library")
    log.info("not worth a line")
    try:
        int("ann@example.com")
    except ValueError:
        log.exception("could not take %s\nfuture: %r", "ann@example.com", "ann@example.com")
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry["library"] == "some.library"
    assert entry["said"] == "could not take %s"
    assert entry["error"] == "ValueError"
    assert entry["place"].startswith("test_logs.py:")
    assert "ann" not in line


def test_a_library_that_repeats_itself_is_heard_once_a_minute(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("some.driver")
    for _ in range(100):
        log.warning("no connection")
    log.warning("something else")
    assert len(stream.getvalue().splitlines()) == 2
    monkeypatch.setattr("gateway.logs._QUIET_SECONDS", 0.0)
    log.warning("no connection")
    assert json.loads(stream.getvalue().splitlines()[-1])["repeated"] == 99


async def test_a_fault_that_ends_a_process_is_told_without_what_it_quotes(gateway_settings: Settings) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _TRIPPING),
        cwd=ROOT,
        env={**os.environ, **gateway_settings.environment()},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), AT_ALL)
    told = [json.loads(line) for line in said.decode().splitlines()]
    assert process.returncode == 1
    assert "ann" not in said.decode()
    assert (told[-1]["event"], told[-1]["level"], told[-1]["error"]) == ("ended_by_fault", "critical", "KeyError")
    assert told[-1]["trail"][-2].startswith("processor.py:")


def test_what_an_operator_can_act_on_is_raised_as_it_is(stream: io.StringIO) -> None:
    with pytest.raises(SettingsError, match="set it"), without_quotes():
        raise SettingsError("set it")
    assert stream.getvalue() == ""
