import asyncio
import json
from typing import Any

import msgspec
import pytest

from domain.errors import LogUnavailable, Refused, TagwayError
from privacy.protect import protect
from tests.fixtures.gateway import Gateway, basic, event
from tests.patience import AT_ALL


class DeadLog:
    """A log that acknowledges nothing."""

    async def append(self, _topic: str, records: Any) -> list[TagwayError | None]:
        return [LogUnavailable() for _ in records]


class PickyLog:
    """A log that acknowledges the first record, never takes the second, and loses sight of the third."""

    async def append(self, _topic: str, _records: Any) -> list[TagwayError | None]:
        return [None, Refused("the record is too large for the log"), LogUnavailable()]


async def test_without_a_log_the_client_is_asked_to_come_again(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    _replace_log(gateway, monkeypatch, DeadLog())
    status, answer = await gateway.post("/v1/batch", {"batch": [event(), event(consent={})]})
    assert (status, answer["success"], answer["code"]) == (503, False, "log_unavailable")
    assert answer["counts"] == {"unavailable": 1, "dropped_consent": 1}


async def test_each_record_of_a_write_has_its_own_end(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    _replace_log(gateway, monkeypatch, PickyLog())
    url, body = gateway.url + "/v1/batch", msgspec.json.encode({"batch": [event(), event(), event()]})
    async with gateway.http.post(
        url, data=body, headers={"Authorization": basic(gateway.tenant.write_key), "Content-Type": "text/plain"}
    ) as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        results = (await response.json())["results"]
    assert [result["outcome"] for result in results] == ["accepted", "invalid", "unavailable"]


async def test_a_fault_of_ours_costs_one_event(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def trip(call: Any, *arguments: Any, **keywords: Any) -> Any:
        if call.message_id == "poison":
            raise RuntimeError("canary@shop.example")
        return protect(call, *arguments, **keywords)

    monkeypatch.setattr("gateway.collect.steps.protect", trip)
    results = await gateway.batch(event(messageId="before"), event(messageId="poison"), event(messageId="after"))
    assert [result["outcome"] for result in results] == ["accepted", "invalid", "accepted"]
    assert results[1]["code"] == "internal"
    assert "canary" not in json.dumps(results)


def _replace_log(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, log: Any) -> None:
    """Put another log under the last step."""
    (*_, (_, append)) = gateway.resources.collector._pipeline._steps
    monkeypatch.setattr(append, "_log", log)


async def test_a_body_that_does_not_arrive_is_given_up(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.patience._ARRIVES_WITHIN", 0.05)
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/batch HTTP/1.1\r\nHost: gateway\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n{"
    )
    answer = await asyncio.wait_for(reader.readuntil(b"}"), AT_ALL)
    writer.close()
    assert b" 408 " in answer.splitlines()[0]
    assert b'"code":"request_timeout"' in answer
