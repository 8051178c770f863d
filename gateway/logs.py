"""Structured logs: one JSON object a line on standard error, never a body, a key or anything of a person."""

import logging
import sys
from typing import TextIO

import structlog


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
