"""Brokers that ask who comes: everything works for whom they know, and who they refuse is told why."""

import ssl
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from domain.errors import LogUnavailable
from gateway.brokers import read_brokers
from gateway.settings import Settings
from stores.eventlog.brokers import Brokers
from stores.eventlog.kafka import KafkaLog
from stores.eventlog.kafka_walk import walk
from stores.eventlog.port import TopicSpec
from tests.fixtures.certificates import Authority
from tests.fixtures.guarded import PASSWORD, USER, Guarded
from tests.stores.eventlog.books import PATIENCE, from_the_beginning, read_all, records, values

pytestmark = pytest.mark.services


def brokers(bootstrap: str, **settings: object) -> Brokers:
    """Make them of settings, as every process does."""
    given = {"bootstrap": bootstrap} | settings
    found = read_brokers(Settings.read({f"TAGWAY_KAFKA_{name.upper()}": str(value) for name, value in given.items()}))
    assert found is not None
    return found


def with_login(guarded: Guarded, mechanism: str = "SCRAM-SHA-512", password: str = PASSWORD) -> Brokers:
    return brokers(
        guarded.login,
        security="sasl_ssl",
        sasl_mechanism=mechanism,
        user=USER,
        password=password,
        ca_file=guarded.authority,
    )


def in_the_clear(guarded: Guarded) -> Brokers:
    return brokers(
        guarded.clear, security="sasl_plaintext", sasl_mechanism="SCRAM-SHA-256", user=USER, password=PASSWORD
    )


def with_certificate(guarded: Guarded) -> Brokers:
    return brokers(
        guarded.mutual,
        security="ssl",
        ca_file=guarded.authority,
        certificate_file=guarded.certificate.certificate,
        key_file=guarded.certificate.key,
    )


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(lambda guarded: with_login(guarded, "PLAIN"), id="plain"),
        pytest.param(lambda guarded: with_login(guarded, "SCRAM-SHA-256"), id="scram-256"),
        pytest.param(lambda guarded: with_login(guarded, "SCRAM-SHA-512"), id="scram-512"),
        pytest.param(in_the_clear, id="without-tls"),
        pytest.param(with_certificate, id="certificate"),
    ],
)
async def test_whom_the_brokers_know_uses_the_whole_log(guarded_broker: Guarded, known: object) -> None:
    assert callable(known)
    met, topic, sent = known(guarded_broker), f"test.{uuid4().hex}", records(20)
    assert await met.refusals() == []
    log = KafkaLog(met, patience=PATIENCE)
    try:
        await log.ensure_topics({topic: TopicSpec(keep=timedelta(days=1))})
        assert await log.append(topic, sent) == [None] * len(sent)
        assert await log.healthy()
        assert set(values(await read_all(log, topic, len(sent)))) == {record.value for record in sent}
        assert sum((await log.ends(topic)).values()) == len(sent)
        assert (await log.source(topic)).startswith(f"{topic}@")
        assert {value async for value in walk(met, topic)} == {record.value for record in sent}
    finally:
        await log.close()


async def _refused(met: Brokers, why: str) -> None:
    """Hold every way in to the same: refused, and told why without the password."""
    topic = f"test.{uuid4().hex}"
    with capture_logs() as lines:
        for way in (_append, _consume):
            log = KafkaLog(met, patience=PATIENCE)
            try:
                await way(log, topic)
                with pytest.raises(LogUnavailable, match=why):
                    await log.ensure_topics({topic: TopicSpec()})
            finally:
                await log.close()
    told = [line["problem"] for line in lines if line["event"] == "kafka_not_reachable"]
    assert [why in each for each in told] == [True, True]
    with pytest.raises(LogUnavailable, match=why):
        assert [value async for value in walk(met, topic)]
    assert "hush" not in f"{lines}{met!r}"


async def _append(log: KafkaLog, topic: str) -> None:
    assert all(await log.append(topic, records(2)))
    assert not await log.healthy()


async def _consume(log: KafkaLog, topic: str) -> None:
    async with log.consume(topic, "group", from_the_beginning) as consumer:
        for _ in range(2):
            with pytest.raises(LogUnavailable):
                await consumer.next_batches(1, 0.1)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_told(guarded_broker: Guarded, mechanism: str) -> None:
    await _refused(with_login(guarded_broker, mechanism, "hush-other"), "refuses the user or the password")


async def test_a_certificate_of_another_authority_is_told(guarded_broker: Guarded, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "Stranger").file
    trusting = brokers(guarded_broker.mutual, security="ssl", ca_file=stranger)
    await _refused(trusting, "shows a certificate that is not trusted")


async def test_a_name_that_is_not_in_the_certificate_is_told(guarded_broker: Guarded) -> None:
    elsewhere = guarded_broker.login.replace("127.0.0.1", "localhost")
    met = brokers(elsewhere, security="ssl", ca_file=guarded_broker.authority)
    assert met.tls is not None
    assert met.tls.verify_mode is ssl.CERT_REQUIRED
    (why,) = await met.refusals()
    assert "not trusted" in why


async def test_brokers_that_ask_for_more_are_told(guarded_broker: Guarded) -> None:
    for met in (
        brokers(guarded_broker.login),
        brokers(guarded_broker.login, security="ssl", ca_file=guarded_broker.authority),
        brokers(guarded_broker.mutual, security="ssl", ca_file=guarded_broker.authority),
    ):
        (why,) = await met.refusals()
        assert "asks for something else than" in why


async def test_each_broker_of_the_list_is_met(guarded_broker: Guarded) -> None:
    met = brokers(
        f"127.0.0.1:1, {guarded_broker.clear}",
        security="sasl_plaintext",
        sasl_mechanism="PLAIN",
        user=USER,
        password=PASSWORD,
    )
    assert await met.refusals() == ["127.0.0.1:1 takes no connections"]
