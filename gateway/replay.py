"""The erasure journal at the start of a process: before anything is served, nobody who was erased is back."""

from contextlib import suppress

import structlog

from domain.clock import Clock, utc_now
from domain.errors import LogUnavailable, StoreUnavailable
from domain.topics import CONSENTS, EVENTS
from gateway.provider import open_provider
from gateway.settings import Settings
from gateway.workspace import Workspaces
from profiles.rights.replay import Replayed, replay
from stores.eventlog.open import open_log
from stores.journal import Journal
from stores.postgres import Database
from stores.redis import open_redis
from stores.subject_cache import SubjectCache

_LOG = structlog.get_logger(__name__)


def open_journal(settings: Settings) -> Journal | None:
    """Return the journal that the settings name."""
    return None if settings.erasure_journal is None else Journal(settings.erasure_journal)


async def replay_erasures(settings: Settings, clock: Clock = utc_now) -> None:
    """Erase again whoever a restored backup has brought back.

    Raises `SettingsError`, `StoreUnavailable`, and `OSError` when the journal cannot be read: then nothing may start.
    """
    settings.needs("postgres_url", "redis_url")
    journal = open_journal(settings)
    if journal is None:
        return
    database = await Database.open(settings.postgres_url or "", role="worker", max_size=2)
    try:
        async with open_provider(settings) as provider:
            done = await replay(database, journal.read(), clock, Workspaces(database, provider).keys)
        if done.found:
            await _forget_copies(settings, database, done)
            _LOG.warning("erasures_replayed", persons=len(done.found), journal=done.entries)
    finally:
        await database.close()


async def _forget_copies(settings: Settings, database: Database, done: Replayed) -> None:
    """Take them out of the log, if it was restored too, and out of the cache, whose entries end by themselves."""
    log = await open_log(settings.kafka_bootstrap, database, settings.log_retention)
    try:
        with suppress(LogUnavailable):
            await log.forget(EVENTS, done.log_keys())
            await log.forget(CONSENTS, done.consent_keys())
    finally:
        await log.close()
    with suppress(StoreUnavailable):
        redis = await open_redis(settings.redis_url or "")
        try:
            for workspace, aliases in done.aliases().items():
                await SubjectCache(redis).suppress(workspace, aliases)
        finally:
            await redis.aclose()
