"""Who holds the master key, as the settings say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.settings import Settings
from privacy.keys import KeyProvider, LocalMasterKey


@asynccontextmanager
async def open_provider(settings: Settings) -> AsyncIterator[KeyProvider]:
    """Lend the holder of the master key. Raises `SettingsError` when there is none or it is malformed."""
    yield LocalMasterKey(settings.read_master_key())
