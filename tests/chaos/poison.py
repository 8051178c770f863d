"""Records on the log that no version of ours has written: each is to be put aside, and to harm nobody else."""

import asyncio
import sys
from typing import Final
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer

from domain.clock import utc_now
from domain.consent import Purpose
from domain.event import CallType, ProtectedEvent, encode_event
from domain.topics import EVENTS
from tests.chaos.trial import Trial
from tests.fixtures.stack import ROOT

_HUGE: Final = 900_000
_PARTITIONS: Final = 4
_APPEND: Final = """
    WITH claimed AS (
        UPDATE log_partition SET next_offset = next_offset + 1
        WHERE topic = $1 AND partition = $2 RETURNING topic, partition, next_offset - 1 AS place
    ) INSERT INTO log_record (topic, partition, "offset", key, value)
    SELECT topic, partition, place, 'poison', $3 FROM claimed
"""
_OURS: Final = "SELECT workspace_id, id FROM subject LIMIT 1"
_OTHERS: Final = "SELECT id FROM workspace WHERE id <> $1"


def poisons(workspace: UUID, subject: UUID, other: UUID) -> list[bytes]:
    """List them: what is no event, and events that cannot be; `other` is a workspace that the subject is not of."""

    def event(*, of: UUID = workspace, who: UUID = subject, id_: str = "poison", text: str = "") -> bytes:
        at, purposes, properties = utc_now(), (Purpose.ANALYTICS,), {"text": text}
        return encode_event(
            ProtectedEvent(of, id_, who, CallType.TRACK, "product_view", at, at, (), purposes, properties=properties)
        )

    sound = event()
    return [
        b"\xff\xfe\x00",
        b"{}",
        b"[" * 5_000,
        sound[: len(sound) // 2],
        sound.replace(b'"track"', b"7"),
        sound.replace(b'"v":1', b'"v":99'),
        sound.replace(b'"text":""', b'"text":' + b"[" * 100_000),
        b'"' + b"x" * _HUGE + b'"',
        event(text="a\0b"),
        event(id_="x" * _HUGE),
        event(id_="\0"),
        event(who=uuid4()),
        event(of=uuid4()),
        event(of=other),
    ]


async def poisoning(trial: Trial) -> None:
    """Put all of them on the log, spread over its partitions."""
    ((workspace, subject),) = await trial.site.execute(_OURS)
    given = poisons(workspace, subject, await _other_workspace(trial, workspace))
    trial.oracle.poisons += len(given)
    if trial.site.broker is None:
        for place, poison in enumerate(given):
            await trial.site.execute(_APPEND, EVENTS, place % _PARTITIONS, poison)
    else:
        await _send(trial.site.broker.bootstrap, given)


async def _send(bootstrap: str, given: list[bytes]) -> None:
    """Send as a stranger does: without keys, with headers that say nothing, at times that no calendar holds."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for place, poison in enumerate(given):
            headers = [("traceparent", b"\xff" * place)]
            at = -(10**17) if place % 2 else None
            await producer.send_and_wait(
                EVENTS, poison, partition=place % _PARTITIONS, headers=headers, timestamp_ms=at
            )


async def _other_workspace(trial: Trial, ours: UUID) -> UUID:
    if not await trial.site.execute(_OTHERS, ours):
        command = (sys.executable, "-m", "gateway.cli.main", "workspaces", "create", "others")
        environment = trial.site.stack.environment
        made = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        assert await made.wait() == 0
    ((other,),) = await trial.site.execute(_OTHERS, ours)
    assert isinstance(other, UUID)
    return other
