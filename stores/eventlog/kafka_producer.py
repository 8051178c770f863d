"""The idempotent producer, replaced when it can no longer be trusted to be one."""

import asyncio
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from domain.errors import LogUnavailable
from stores.eventlog.brokers import Brokers, Complaints

_BATCH_BYTES: Final = 512 * 1024
_REQUEST_BYTES: Final = 1_048_576
_STOP_SECONDS: Final = 5.0


class Producers:
    """Lends the one producer of this process, made on first use. `patience` is a request's time limit, in seconds."""

    def __init__(self, brokers: Brokers, complaints: Complaints, patience: float) -> None:
        self._brokers = brokers
        self._complaints = complaints
        self._patience = patience
        self._current: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    async def current(self) -> AIOKafkaProducer:
        """Return a started producer. Raises LogUnavailable."""
        if self._current is None:
            async with self._starting:
                if self._current is None:
                    self._current = await self._start()
        return self._current

    def retire(self, producer: AIOKafkaProducer) -> None:
        """Use this producer no more.

        A batch that failed for good leaves a gap in the sequence that the broker expects of this producer, so that
        it would refuse whatever comes next; aiokafka cannot ask for a new epoch, only a new producer begins anew.
        """
        if self._current is producer:
            self._current = None
            task = asyncio.create_task(_stop(producer))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def close(self) -> None:
        """Send what waits, within seconds, and close the connections."""
        if self._current is not None:
            self.retire(self._current)
        await asyncio.gather(*self._retiring)

    async def _start(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._brokers.options,
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            max_batch_size=_BATCH_BYTES,
            max_request_size=_REQUEST_BYTES,
            request_timeout_ms=int(self._patience * 1000),
        )
        try:
            async with asyncio.timeout(self._patience):
                await producer.start()
        except (KafkaError, TimeoutError, OSError) as error:
            await _stop(producer)
            await self._complaints.tell()
            raise LogUnavailable from error
        except asyncio.CancelledError:
            await _stop(producer)
            raise
        return producer


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
    except TimeoutError:
        # An idempotent producer never gives up on what it holds, so with the broker away `stop` would wait for ever.
        sender = producer._sender.sender_task  # noqa: SLF001 -- aiokafka has no public way to stop without flushing
        sender.cancel()
        await asyncio.wait([sender], timeout=_STOP_SECONDS)
        await producer.client.close()
    except KafkaError:
        with suppress(KafkaError):
            await producer.client.close()
