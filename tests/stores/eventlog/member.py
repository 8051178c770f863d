"""A process that joins a group, says so, and reads until it is killed."""

import asyncio
import sys
from collections.abc import Collection

from stores.eventlog.brokers import Brokers
from stores.eventlog.kafka import KafkaLog
from stores.eventlog.port import EventLog
from stores.eventlog.postgres import PostgresLog
from stores.postgres import Database


async def main(kind: str, address: str, topic: str, group: str) -> None:
    log: EventLog = (
        KafkaLog(Brokers(address)) if kind == "kafka" else PostgresLog(await Database.open(address, role="worker"))
    )
    told: frozenset[int] = frozenset()
    async with log.consume(topic, group, _from_the_beginning) as consumer:
        while True:
            await consumer.next_batches(1, 0.1)
            if consumer.assigned != told:
                told = consumer.assigned
                print(*sorted(told), flush=True)  # noqa: T201 -- the test reads it


async def _from_the_beginning(_partitions: Collection[int]) -> dict[int, int]:
    return {}


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
