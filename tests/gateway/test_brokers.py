"""Brokers that refuse us are brokers that are away: events are kept, `/readyz` tells it, and the logs say why."""

from pathlib import Path

import aiohttp
import msgspec
import pytest
from structlog.testing import capture_logs

from domain.errors import LogUnavailable
from domain.event import decode_event
from domain.topics import EVENTS
from gateway.brokers import read_brokers
from gateway.replay import replay_erasures
from gateway.settings import Settings, SettingsError
from gateway.wiring import open_resources
from stores.eventlog.brokers import Brokers
from stores.eventlog.kafka_walk import walk
from tests.fixtures.certificates import Authority
from tests.fixtures.gateway import Gateway, event, listening, make_tenant
from tests.fixtures.guarded import PASSWORD, USER, Guarded
from tests.gateway.collect.test_spooling import emptied, warmed

pytestmark = pytest.mark.services


@pytest.fixture
def settings(gateway_settings: Settings, guarded_broker: Guarded, tmp_path: Path) -> Settings:
    return msgspec.structs.replace(
        gateway_settings,
        kafka_bootstrap=guarded_broker.login,
        kafka_security="sasl_ssl",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_user=USER,
        kafka_password=PASSWORD,
        kafka_ca_file=guarded_broker.authority,
        spool=tmp_path / "spool",
        spool_megabytes=10,
    )


async def _status(gateway: Gateway) -> tuple[int, str]:
    async with gateway.http.get(f"{gateway.url}/readyz") as response:
        return response.status, (await response.json())["status"]


async def test_events_wait_in_the_spool_until_the_password_is_right(settings: Settings) -> None:
    url = str(settings.postgres_url)
    tenant = await make_tenant(url)
    wrong = msgspec.structs.replace(settings, kafka_password="hush-other")
    with capture_logs() as lines:
        async with open_resources(wrong) as resources, aiohttp.ClientSession() as http, listening(resources) as address:
            await warmed(resources)
            gateway = Gateway(address, tenant, url, http, resources)
            results = await gateway.batch(event(messageId="kept"))
            assert [each["outcome"] for each in results] == ["accepted"]
            assert await _status(gateway) == (200, "spooling")
    assert any("refuses the user or the password" in str(line.get("problem")) for line in lines)
    assert "hush" not in str(lines)

    async with open_resources(settings) as resources, aiohttp.ClientSession() as http, listening(resources) as address:
        await warmed(resources)
        gateway = Gateway(address, tenant, url, http, resources)
        await emptied(gateway)
        assert await _status(gateway) == (200, "ready")
    assert "kept" in [decode_event(value).message_id async for value in walk(_brokers(settings), EVENTS)]


async def test_without_a_spool_the_gateway_is_unavailable(settings: Settings) -> None:
    wrong = msgspec.structs.replace(settings, kafka_password="hush-other", spool_megabytes=0)
    url = str(settings.postgres_url)
    async with open_resources(wrong) as resources, aiohttp.ClientSession() as http, listening(resources) as address:
        await warmed(resources)
        gateway = Gateway(address, await make_tenant(url), url, http, resources)
        status, answer = await gateway.post("/v1/batch", {"batch": [event()]})
        assert (status, answer["code"]) == (503, "log_unavailable")
        assert "password" not in str(answer)
        assert await _status(gateway) == (503, "unavailable")


async def test_a_start_that_needs_the_brokers_says_why_they_refuse(settings: Settings) -> None:
    wrong = msgspec.structs.replace(settings, kafka_password="hush-other", erasure_journal=None)
    with pytest.raises(LogUnavailable, match="refuses the user or the password"):
        await replay_erasures(wrong)


@pytest.mark.parametrize("name", ["kafka_ca_file", "kafka_certificate_file", "kafka_key_file"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_is_no_certificate_is_refused_by_name(tmp_path: Path, name: str, content: str | None) -> None:
    good = Authority(tmp_path).sign("client")
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    files = {"kafka_certificate_file": good.certificate, "kafka_key_file": good.key} | {name: file}
    settings = Settings(kafka_bootstrap="127.0.0.1:1", kafka_security="ssl", **files)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=f"TAGWAY_{name.upper()}.* cannot be used: ") as caught:
        read_brokers(settings)
    assert "\n" not in str(caught.value)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    settings = Settings(
        kafka_bootstrap="127.0.0.1:1",
        kafka_security="ssl",
        kafka_certificate_file=authority.sign("one").certificate,
        kafka_key_file=authority.sign("other").key,
    )
    with pytest.raises(SettingsError, match="cannot be used"):
        read_brokers(settings)


def _brokers(settings: Settings) -> Brokers:
    found = read_brokers(settings)
    assert found is not None
    return found
