"""The builder process."""

import asyncio
import signal

from gateway.settings import Settings


async def build(settings: Settings) -> None:
    """Build until SIGTERM, then finish the batch. Raises `SettingsError` when the settings name no stores."""
    settings.needs("postgres_url", "redis_url")
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
