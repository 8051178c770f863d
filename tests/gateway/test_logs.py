import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway.logs import configure_logs


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
