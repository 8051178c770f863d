"""Whether this process tells where events are on their way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.tracing import UNTRACED, Tracer
from gateway.settings import Settings, SettingsError


@asynccontextmanager
async def open_tracer(settings: Settings, process: str) -> AsyncIterator[Tracer]:
    """Give the tracer of a process of this name. Raises `SettingsError` where what it needs is not installed."""
    if settings.traces == "off":
        yield UNTRACED
        return
    try:
        from gateway.telemetry import open_telemetry  # noqa: PLC0415 - only those who trace have it installed
    except ImportError as error:
        raise SettingsError(f"TAGWAY_TRACES=otlp needs {error.name}: pip install 'tagway[traces]'") from None
    async with open_telemetry(process) as tracer:
        yield tracer
