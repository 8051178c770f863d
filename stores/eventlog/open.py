"""Which event log this installation uses, and which topics it holds."""

from datetime import timedelta
from typing import Final

import structlog

from domain.errors import LogUnavailable
from domain.topics import CONSENTS, DEAD_LETTERS, ERASURES, EVENTS, SEGMENT_CHANGES
from stores.eventlog.brokers import Brokers
from stores.eventlog.kafka import KafkaLog
from stores.eventlog.port import EventLog, TopicSpec
from stores.eventlog.postgres import PostgresLog
from stores.postgres import Database

_LOG = structlog.get_logger(__name__)

KEEP: Final = timedelta(days=30)
PARTITIONS: Final = 4


def topics(keep: timedelta) -> dict[str, TopicSpec]:
    """List the topics; what people did is kept for `keep`."""
    return {
        EVENTS: TopicSpec(keep=keep),
        DEAD_LETTERS: TopicSpec(keep=keep),
        SEGMENT_CHANGES: TopicSpec(compacted=True),
        # News, which names people: what lasts is the ledger. Compacted, so that whoever is erased can be taken out.
        CONSENTS: TopicSpec(keep=keep, compacted=True),
        ERASURES: TopicSpec(),
    }


async def open_log(
    brokers: Brokers | None, database: Database, keep: timedelta = KEEP, partitions: int = PARTITIONS
) -> EventLog:
    """Open Kafka where brokers are given, else the log in the database, and see to its topics.

    `keep` and `partitions` count for topics that are not there yet. Kafka may be away: its topics are then made before
    the first append. Raises LogUnavailable when the database is.
    """
    if brokers is not None:
        kafka = KafkaLog(brokers, partitions=partitions)
        try:
            await kafka.ensure_topics(topics(keep))
        except LogUnavailable as error:
            _LOG.warning("kafka_not_reachable", brokers=brokers.bootstrap, problem=error.detail or "no answer")
        return kafka
    log = PostgresLog(database, partitions=partitions)
    try:
        await log.ensure_topics(topics(keep))
    except LogUnavailable:
        await log.close()
        raise
    return log
