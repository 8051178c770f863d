"""Structured logs: one JSON object a line on standard error, never a body, a key or anything of a person.

What libraries log comes out the same way: their words without what was filled in, and an exception by its class and
place, since its text may quote data.
"""

import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, TextIO

import msgspec
import structlog

from domain.errors import CannotRun, TagwayError
from gateway.errors import place_of

_QUIET_SECONDS: Final = 60.0
_MOST_SAID: Final = 1_000


def configure_logs(stream: TextIO | None = None, *, level: str = "info") -> None:
    """Send the process's logs to `stream`, by default standard error. Called once, where a process begins."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_write),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)


def log_jump(off: timedelta) -> None:
    """Tell that the machine's clock is suddenly elsewhere, and that this process does not follow it for now."""
    structlog.get_logger(__name__).warning("clock_jumped", seconds=round(off.total_seconds(), 1))


@contextmanager
def without_quotes() -> Iterator[None]:
    """Let a fault that nobody foresaw end the process in a line for each, by its kind and its places, and nothing else.

    What an operator can act on is raised as it is.
    """
    try:
        yield
    except (CannotRun, TagwayError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - Python would write what it quotes
        for fault in _single(error):
            frames = traceback.extract_tb(fault.__traceback__)
            trail = [f"{each.filename.rpartition('/')[2]}:{each.lineno} {each.name}" for each in frames]
            structlog.get_logger(__name__).critical("ended_by_fault", error=type(fault).__name__, trail=trail)
        sys.exit(1)


def _single(error: Exception) -> Iterator[Exception]:
    """Walk the faults of a group."""
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            yield from _single(each)
    else:
        yield error


def _write(entry: dict[str, Any], default: Callable[[Any], Any], **_options: Any) -> str:
    return msgspec.json.encode(entry, enc_hook=default).decode()


class _Libraries(logging.Handler):
    """Takes over what libraries log. The same words come once a minute, however often they are said."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        key = record.name, str(record.msg)
        written_at, repeated = self._said.get(key, (0.0, 0))
        if record.created - written_at < _QUIET_SECONDS:
            self._said[key] = written_at, repeated + 1
            return
        if len(self._said) >= _MOST_SAID:
            self._said.clear()
        self._said[key] = record.created, 0
        error = record.exc_info[1] if record.exc_info else None
        details: dict[str, object] = {} if error is None else {"error": type(error).__name__, "place": place_of(error)}
        said, _, _ = str(record.msg).strip().partition("\n")
        if repeated:
            details["repeated"] = repeated
        structlog.get_logger().log(record.levelno, "library", library=record.name, said=said, **details)
