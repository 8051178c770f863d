"""What is looked at before anything starts: the journal of erasures, and the topic that says the same."""

from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from domain.clock import utc_now
from domain.errors import LogUnavailable
from domain.topics import ERASURES
from gateway.replay import replay_erasures
from gateway.settings import Settings
from scripts.kafka import Broker
from stores.eventlog.brokers import Brokers
from stores.eventlog.kafka import KafkaLog
from stores.eventlog.port import Record, TopicSpec
from stores.journal import Entry, Journal, encode_entry
from tests.fixtures.gateway import Gateway, event

pytestmark = pytest.mark.services


async def known(gateway: Gateway, user: str) -> Entry:
    """Let somebody be known, and give the entry of their erasure, which this database has never heard of."""
    await gateway.batch(event(userId=user))
    accepted = (await gateway.logged())[-1]
    return Entry(gateway.tenant.workspace, None, (accepted.subject,), accepted.aliases, utc_now())


async def announce(bootstrap: str, *values: bytes) -> None:
    log = KafkaLog(Brokers(bootstrap))
    try:
        await log.ensure_topics({ERASURES: TopicSpec()})
        assert await log.append(ERASURES, [Record(b"test", value) for value in values]) == [None] * len(values)
    finally:
        await log.close()


async def left(gateway: Gateway) -> set[UUID]:
    return {
        row["id"]
        for row in await gateway.sql("SELECT id FROM subject WHERE workspace_id = $1", gateway.tenant.workspace)
    }


async def test_who_is_in_either_is_erased_again_and_the_journal_has_both(
    gateway: Gateway, gateway_settings: Settings, kafka_bootstrap: str, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "erasures.jsonl")
    settings = msgspec.structs.replace(
        gateway_settings, kafka_bootstrap=kafka_bootstrap, erasure_journal=tmp_path / "erasures.jsonl"
    )
    ann, bob, eve = await known(gateway, "ann"), await known(gateway, "bob"), await known(gateway, "eve")
    await journal.append(ann)
    await announce(kafka_bootstrap, b"no erasure", encode_entry(bob), encode_entry(ann))
    await replay_erasures(settings)
    assert await left(gateway) == {*eve.subjects}
    mine = [entry for entry in journal.read() if entry.workspace == gateway.tenant.workspace]
    assert mine == [ann, bob]
    before = list(journal.read())
    await replay_erasures(settings)
    assert list(journal.read()) == before


async def test_a_lost_journal_is_written_anew_from_the_topic(
    gateway: Gateway, gateway_settings: Settings, kafka_bootstrap: str, tmp_path: Path
) -> None:
    path = tmp_path / "erasures.jsonl"
    ann = await known(gateway, "ann")
    await announce(kafka_bootstrap, encode_entry(ann))
    await replay_erasures(msgspec.structs.replace(gateway_settings, kafka_bootstrap=kafka_bootstrap))
    assert await left(gateway) == set(), "no journal is needed"
    await replay_erasures(
        msgspec.structs.replace(gateway_settings, kafka_bootstrap=kafka_bootstrap, erasure_journal=path)
    )
    assert ann in list(Journal(path).read())


async def test_without_kafka_the_journal_must_be_there(
    gateway: Gateway, gateway_settings: Settings, kafka_bootstrap: str, kafka_broker: Broker, tmp_path: Path
) -> None:
    path = tmp_path / "erasures.jsonl"
    ann = await known(gateway, "ann")
    kafka_broker.kill()
    for journal in (None, path):
        settings = msgspec.structs.replace(gateway_settings, kafka_bootstrap=kafka_bootstrap, erasure_journal=journal)
        with pytest.raises(LogUnavailable):
            await replay_erasures(settings)
    assert not path.exists()
    await Journal(path).append(ann)
    await replay_erasures(settings)
    assert await left(gateway) == set()
