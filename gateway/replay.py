"""The erasure journal at the start of a process: before anything is served, nobody who was erased is back."""

from contextlib import suppress

import msgspec
import structlog

from domain.clock import Clock, utc_now
from domain.errors import LogUnavailable, StoreUnavailable
from domain.topics import CONSENTS, ERASURES, EVENTS
from gateway.brokers import read_brokers
from gateway.database import open_database
from gateway.eventlog import open_event_log
from gateway.provider import open_provider
from gateway.settings import Settings
from gateway.stores import open_redis
from gateway.workspace import Workspaces
from profiles.rights.replay import Replayed, replay
from stores.eventlog.kafka_walk import walk
from stores.journal import Entry, Journal, decode_entry
from stores.postgres import Database
from stores.subject_cache import SubjectCache

_LOG = structlog.get_logger(__name__)


def open_journal(settings: Settings) -> Journal | None:
    """Return the journal that the settings name."""
    return None if settings.erasure_journal is None else Journal(settings.erasure_journal)


async def replay_erasures(settings: Settings, clock: Clock = utc_now) -> None:
    """Erase again whoever a restored backup has brought back, by the journal and, on Kafka, the topic of erasures.

    What only the topic remembers is written back to the journal. Raises `SettingsError`, `StoreUnavailable`,
    `LogUnavailable` when Kafka is away and there is no journal either, and `OSError` when that cannot be read: then
    nothing may start.
    """
    settings.needs("postgres_url", "redis_url")
    journal = open_journal(settings)
    if journal is None and settings.kafka_bootstrap is None:
        return
    written = [] if journal is None else list(journal.read())
    known = frozenset(written)
    announced = await _announced(settings, must=journal is None or not journal.exists)
    missing = [entry for entry in dict.fromkeys(announced) if entry not in known]
    async with open_database(settings, connections=2) as database:
        async with open_provider(settings) as provider:
            done = await replay(database, [*written, *missing], clock, Workspaces(database, provider).keys)
        if done.found:
            await _forget_copies(settings, database, done)
            _LOG.warning("erasures_replayed", persons=len(done.found), journal=done.entries)
    if journal is not None:
        await _complete(journal, missing)


async def _announced(settings: Settings, *, must: bool) -> list[Entry]:
    """Read the topic of erasures. The log in Postgres is left out: it was restored with the tables."""
    brokers = read_brokers(settings)
    if brokers is None:
        return []
    try:
        return [entry async for value in walk(brokers, ERASURES) for entry in _read(value)]
    except LogUnavailable as error:
        if must:
            raise
        _LOG.warning("erasures_unread", topic=ERASURES, problem=error.detail)
        return []


def _read(value: bytes) -> list[Entry]:
    try:
        return [decode_entry(value)]
    except msgspec.DecodeError:
        _LOG.warning("erasure_unreadable", topic=ERASURES)
        return []


async def _complete(journal: Journal, missing: list[Entry]) -> None:
    """Give the journal what it lacks. Where the disk does not take it, the topic is read again at the next start."""
    if journal.exists and not missing:
        return
    try:
        await journal.complete(missing)
    except OSError as error:
        _LOG.warning("journal_not_completed", problem=error.strerror)
        return
    if missing:
        _LOG.warning("journal_completed", erasures=len(missing), topic=ERASURES)


async def _forget_copies(settings: Settings, database: Database, done: Replayed) -> None:
    """Take them out of the log, if it was restored too, and out of the cache, whose entries end by themselves."""
    log = await open_event_log(settings, database)
    try:
        with suppress(LogUnavailable):
            await log.forget(EVENTS, done.log_keys())
            await log.forget(CONSENTS, done.consent_keys())
    finally:
        await log.close()
    with suppress(StoreUnavailable):
        async with open_redis(settings) as redis:
            for workspace, aliases in done.aliases().items():
                await SubjectCache(redis).suppress(workspace, aliases)
