"""Which event log this installation uses, and which topics it holds."""

from contextlib import suppress
from datetime import timedelta
from typing import Final

from domain.errors import LogUnavailable
from domain.topics import CONSENTS, DEAD_LETTERS, ERASURES, EVENTS, SEGMENT_CHANGES
from stores.eventlog.kafka import KafkaLog
from stores.eventlog.port import EventLog, TopicSpec
from stores.eventlog.postgres import PostgresLog
from stores.postgres import Database

TOPICS: Final = {
    EVENTS: TopicSpec(keep=timedelta(days=7)),
    DEAD_LETTERS: TopicSpec(keep=timedelta(days=30)),
    SEGMENT_CHANGES: TopicSpec(compacted=True),
    CONSENTS: TopicSpec(keep=timedelta(days=30)),  # news; what lasts is the ledger, where people can be erased
    ERASURES: TopicSpec(),
}


async def open_log(kafka_bootstrap: str | None, database: Database) -> EventLog:
    """Open Kafka where its address is given, else the log in the database, and see to its topics.

    Kafka may be away: its topics are then made before the first append. Raises LogUnavailable when the database is.
    """
    if kafka_bootstrap:
        kafka = KafkaLog(kafka_bootstrap)
        with suppress(LogUnavailable):
            await kafka.ensure_topics(TOPICS)
        return kafka
    log = PostgresLog(database)
    try:
        await log.ensure_topics(TOPICS)
    except LogUnavailable:
        await log.close()
        raise
    return log
