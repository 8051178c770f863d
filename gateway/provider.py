"""Who holds the master key, as the settings say."""

import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from gateway.settings import Settings, SettingsError
from privacy.keys import KeyProvider, LocalMasterKey, Succession

Factory = Callable[[], AbstractAsyncContextManager[KeyProvider]]
"""What `TAGWAY_KEY_PROVIDER` names: it opens a key service for as long as the process runs."""


@asynccontextmanager
async def open_provider(settings: Settings) -> AsyncIterator[KeyProvider]:
    """Lend the holder of the master key, which also opens what the previous one wrapped while that is named.

    Raises `SettingsError` when a key is missing or malformed, or the named factory is not there.
    """
    previous = settings.read_previous_master_key()
    async with open_current(settings) as current:
        yield current if previous is None else Succession(current, LocalMasterKey(previous))


@asynccontextmanager
async def open_current(settings: Settings) -> AsyncIterator[KeyProvider]:
    """Lend the holder of the master key alone. Raises like `open_provider`."""
    if settings.key_provider == "local":
        yield LocalMasterKey(settings.read_master_key())
        return
    async with _open_service(settings.key_provider) as provider:
        yield provider


def _open_service(name: str) -> AbstractAsyncContextManager[KeyProvider]:
    module, _, attribute = name.partition(":")
    try:
        factory: Factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"TAGWAY_KEY_PROVIDER={name} is not there: {error}") from None
    try:
        service: object = factory()
    except TypeError as error:
        raise SettingsError(f"TAGWAY_KEY_PROVIDER={name} opens no key service: {error}") from None
    if not isinstance(service, AbstractAsyncContextManager):
        raise SettingsError(f"TAGWAY_KEY_PROVIDER={name} opens no key service: it returns no async context manager")
    return service
