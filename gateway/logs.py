"""Structured logs: one JSON object a line on standard error, never a body, a key or anything of a person.

What libraries log comes out the same way: their words without what was filled in, and an exception by its class and
place, since its text may quote data.
"""

import logging
import sys
from typing import TextIO

import structlog

from gateway.errors import place_of


def configure_logs(stream: TextIO | None = None, *, level: str = "info") -> None:
    """Send the process's logs to `stream`, by default standard error. Called once, where a process begins."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)


class _Libraries(logging.Handler):
    """Takes over what libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        error = record.exc_info[1] if record.exc_info else None
        details = {} if error is None else {"error": type(error).__name__, "place": place_of(error)}
        said, _, _ = str(record.msg).strip().partition("\n")
        structlog.get_logger().log(record.levelno, "library", library=record.name, said=said, **details)
