"""Whether this process tells where events are on their way."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from domain.tracing import UNTRACED, Tracer
from gateway.settings import Settings, SettingsError


@asynccontextmanager
async def open_tracer(settings: Settings, process: str) -> AsyncIterator[Tracer]:
    """Give the tracer of a process of this name. Raises `SettingsError` where what it needs is not installed."""
    if settings.traces == "off":
        yield UNTRACED
        return
    async with _telemetry().open_telemetry(process) as tracer:
        yield tracer


async def collector_takes_spans() -> bool:
    """Send no span at all to where spans are sent, in some seconds. Raises `SettingsError` as above."""
    return bool(await asyncio.to_thread(_telemetry().try_collector))


def _telemetry() -> Any:
    """Load what only those who trace have installed."""
    try:
        return importlib.import_module("gateway.telemetry")
    except ImportError as error:
        raise SettingsError(f"TAGWAY_TRACES=otlp needs {error.name}: pip install 'tagway[traces]'") from None
