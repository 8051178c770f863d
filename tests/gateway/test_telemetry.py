"""One trace from a tag's request to the subscriber, through all processes, to a collector of OpenTelemetry."""

import asyncio
import sys
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from domain.tracing import UNTRACED, read_traceparent
from gateway.build import open_processor
from gateway.settings import Settings, SettingsError
from gateway.telemetry import open_telemetry
from gateway.tracing import open_tracer
from gateway.wiring import open_resources
from tests.fixtures.collector import Collector
from tests.fixtures.gateway import Gateway, event, listening, make_tenant
from tests.fixtures.graphql import eventually

_PATH = {
    "POST /v1/{call}": "tagway-serve",
    "collect": "tagway-serve",
    "append": "tagway-serve",
    "build": "tagway-build",
    "publish": "tagway-build",
    "push": "tagway-serve",
}
_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_CALLER = "00f067aa0ba902b7"
_WATCH = 'subscription { segmentChanges(segmentKeys: ["keen"]) { kind cause traceparent } }'
_STATUS = '{ segment(key: "keen") { status } }'
_SAVE = "mutation ($input: SaveSegmentInput!) { saveSegment(input: $input) { __typename } }"
_KEEN = {"type": "count", "event": "product_view", "op": ">=", "n": 1, "window": "1h"}
_SECRET = "ada.lovelace@example.org"


@pytest.fixture
async def traced(
    gateway_settings: Settings, database_url: str, redis_url: str, collector: Collector
) -> AsyncIterator[Gateway]:
    """A gateway and a builder as they are put together in production, told to trace."""
    assert collector.spans == []
    settings = msgspec.structs.replace(gateway_settings, postgres_url=database_url, redis_url=redis_url, traces="otlp")
    tenant, stop = await make_tenant(database_url), asyncio.Event()
    async with (
        open_resources(settings) as resources,
        listening(resources) as url,
        open_processor(settings) as processor,
        aiohttp.ClientSession() as http,
    ):
        building = asyncio.create_task(processor.run(stop))
        yield Gateway(url, tenant, database_url, http, resources)
        stop.set()
        await building


async def test_one_trace_leads_from_the_request_to_the_subscriber(traced: Gateway, collector: Collector) -> None:
    bearer = f"Bearer {traced.tenant.secret_key}"
    saved = {"query": _SAVE, "variables": {"input": {"key": "keen", "name": "keen", "definition": _KEEN}}}
    assert "errors" not in (await traced.post("/graphql", saved, headers={"Authorization": bearer}))[1]

    async def is_live() -> bool:  # whoever enters while it is being built does so by no event's trace
        found = await traced.post("/graphql", {"query": _STATUS}, headers={"Authorization": bearer})
        return bool(found[1]["data"]["segment"]["status"] == "LIVE")

    await eventually(is_live)
    sent = event(userId="u-17", properties={"product_id": _SECRET}, context={"traits": {"email": _SECRET}})
    body = {"batch": [sent], "writeKey": traced.tenant.write_key}
    told: list[dict[str, str]] = []
    async with (
        asyncio.timeout(90),
        traced.http.ws_connect(f"{traced.url}/graphql", protocols=["graphql-transport-ws"]) as socket,
    ):
        await socket.send_json({"type": "connection_init", "payload": {"token": traced.tenant.secret_key}})
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": _WATCH}})
        while not told or told[-1]["kind"] != "SNAPSHOT_END":
            told += _heard(await socket.receive_json())
        headers = {"traceparent": f"00-{_TRACE}-{_CALLER}-01"}
        async with traced.http.post(f"{traced.url}/v1/batch", json=body, headers=headers) as response:
            assert response.status == 200
            request_id = response.headers["X-Request-Id"]
        while told[-1]["kind"] != "ENTERED":
            told += _heard(await socket.receive_json())
        await socket.send_json({"id": "1", "type": "complete"})
        while not set(_PATH) <= collector.of(_TRACE).keys():
            collector.news.clear()
            await collector.news.wait()

    spans = collector.of(_TRACE)
    parents = [spans[name][1].parent_span_id.hex() for name in _PATH]
    *path, published = [spans[name][1].span_id.hex() for name in list(_PATH)[:-1]]
    assert parents[:-1] == [_CALLER, *path]
    # A gateway that finds the change in Postgres, before Redis tells of it, goes on from where it was built.
    assert parents[-1] in {path[-1], published}
    assert {name: spans[name][0] for name in _PATH} == _PATH
    assert told[-1]["traceparent"] == f"00-{_TRACE}-{parents[-1]}-01"
    assert request_id.encode() in collector.bodies
    for personal in (_SECRET, "u-17", traced.tenant.write_key):
        assert personal.encode() not in collector.bodies


async def test_a_request_without_a_trace_begins_one(traced: Gateway, collector: Collector) -> None:
    for traceparent in ("", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "ff-zz", "00-" + "é" * 32):
        headers = {"traceparent": traceparent} if traceparent else {}
        await traced.batch(event(), headers=headers)
    async with asyncio.timeout(60):
        while len([span for _, span in collector.spans if span.name == "POST /v1/{call}"]) < 4:
            collector.news.clear()
            await collector.news.wait()
    roots = [span for _, span in collector.spans if span.name == "POST /v1/{call}"]
    assert {span.parent_span_id for span in roots} == {b""}
    assert len({span.trace_id for span in roots}) == 4


def _heard(frame: dict[str, object]) -> list[dict[str, str]]:
    match frame:
        case {"type": "next", "payload": {"data": {"segmentChanges": dict(change)}}}:
            return [change]
    return []


async def test_what_is_raised_is_told_by_its_kind_alone() -> None:
    kept = InMemorySpanExporter()
    async with open_telemetry("tagway-test", kept) as tracer:
        with pytest.raises(ValueError, match=_SECRET), tracer.span("outer"), tracer.span("inner"):
            raise ValueError(_SECRET)
        assert tracer.here() is None
    inner, outer = kept.get_finished_spans()
    assert inner.parent == outer.context
    assert [inner.status.description, outer.status.description] == ["ValueError"] * 2
    assert inner.events == ()


async def test_what_the_sampler_leaves_out_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    kept = InMemorySpanExporter()
    async with open_telemetry("tagway-test", kept) as tracer:
        with tracer.span("outer") as span:
            assert span.traceparent is None
            assert tracer.here() is None
    assert kept.get_finished_spans() == ()


async def test_nothing_is_traced_unless_asked_for() -> None:
    async with open_tracer(Settings(), "tagway-test") as tracer:
        assert tracer is UNTRACED
        with tracer.span("any") as span:
            span.rename("other")
            span.tell({"any": 1})
            assert span.traceparent is None


async def test_who_has_not_installed_it_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gateway.telemetry", None)
    with pytest.raises(SettingsError, match=r"pip install 'tagway\[traces\]'"):
        async with open_tracer(Settings(traces="otlp"), "tagway-test"):
            pass


@pytest.mark.parametrize("text", ["", "é", "00-1-1-01", f"01-{_TRACE}-{_CALLER}-01", f"00-{_TRACE}-{_CALLER}-01-x"])
def test_a_strangers_traceparent_is_read_strictly(text: str) -> None:
    assert read_traceparent(text) is None
    assert read_traceparent(text.encode()) is None
