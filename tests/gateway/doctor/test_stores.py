"""The doctor finds stores that are away, refuse us, or go by another time."""

from datetime import timedelta

import asyncpg
import msgspec
import pytest

from domain.clock import utc_now
from gateway.doctor import stores
from gateway.doctor.finding import Finding
from gateway.doctor.stores import check_event_log
from gateway.doctor.wisdom import check_settings
from gateway.settings import Settings
from stores.embedded.valkey import EmbeddedValkey
from tests.fixtures.doctor import examine
from tests.fixtures.guarded import PASSWORD, USER, Guarded
from tests.fixtures.refusing import refused


async def test_a_redis_that_takes_nothing_is_found(settings: Settings, moody_valkey: EmbeddedValkey) -> None:
    async with refused(moody_valkey, "full"):
        well, (wrong,) = await examine(msgspec.structs.replace(settings, redis_url=moody_valkey.url))
    assert not well
    assert "Redis: answers, and does not take what it is given" in wrong


async def test_a_clock_that_differs_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "utc_now", lambda: utc_now() + timedelta(seconds=30))
    well, (wrong,) = await examine(settings)
    assert not well
    assert "clock is -30." in wrong


async def test_a_schema_of_an_older_release_is_found(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.postgres_url)
    await connection.execute("DELETE FROM schema_migration WHERE number = (SELECT max(number) FROM schema_migration)")
    await connection.close()
    well, wrong = await examine(settings)
    assert not well
    assert any("Postgres: answers, but lacks 0" in line for line in wrong), wrong


async def test_brokers_that_refuse_us_are_found(settings: Settings, guarded_broker: Guarded) -> None:
    known = msgspec.structs.replace(
        settings,
        kafka_bootstrap=guarded_broker.clear,
        kafka_security="sasl_plaintext",
        kafka_sasl_mechanism="PLAIN",
        kafka_user=USER,
        kafka_password=PASSWORD,
    )
    assert await check_event_log(known) == f"Kafka, {guarded_broker.clear} lets us in"
    assert "sasl_plaintext" in await check_settings(known)
    with pytest.raises(Finding, match="refuses the user or the password"):
        await check_event_log(msgspec.structs.replace(known, kafka_password="hush-other"))
