"""The event log that the settings name: whoever opens it first makes its topics, so all open it alike."""

from gateway.brokers import read_brokers
from gateway.settings import Settings
from stores.eventlog.open import open_log
from stores.eventlog.port import EventLog
from stores.postgres import Database


async def open_event_log(settings: Settings, database: Database) -> EventLog:
    """Open it; closing it is the caller's. Raises `SettingsError`, and `LogUnavailable` when the database is."""
    return await open_log(read_brokers(settings), database, settings.log_retention, settings.log_partitions)
