"""Which event log this installation uses, and which topics it holds."""

from datetime import timedelta
from typing import Final

from domain.topics import CONSENTS, DEAD_LETTERS, ERASURES, EVENTS, SEGMENT_CHANGES
from stores.eventlog.kafka import KafkaLog
from stores.eventlog.port import EventLog, TopicSpec
from stores.eventlog.postgres import PostgresLog
from stores.postgres import Database

TOPICS: Final = {
    EVENTS: TopicSpec(keep=timedelta(days=7)),
    DEAD_LETTERS: TopicSpec(keep=timedelta(days=30)),
    SEGMENT_CHANGES: TopicSpec(compacted=True),
    CONSENTS: TopicSpec(),
    ERASURES: TopicSpec(),
}


async def open_log(kafka_bootstrap: str | None, database: Database) -> EventLog:
    """Open Kafka where its address is given, else the log in the database, with all topics there.

    Raises LogUnavailable.
    """
    log: EventLog = KafkaLog(kafka_bootstrap) if kafka_bootstrap else PostgresLog(database)
    try:
        await log.ensure_topics(TOPICS)
    except BaseException:
        await log.close()
        raise
    return log
