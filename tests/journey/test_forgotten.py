"""An erased person is nowhere: not by a value, not by an id, not in what an older backup brings back."""

import base64
import json
import secrets
import shutil
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import asyncpg
import pytest

from tests.fixtures.canary import CONSENT, PERSON, Canary
from tests.fixtures.stack import Stack
from tests.fixtures.traces import Traces, read_files, read_kafka, read_redis, read_tables, sightings
from tests.journey.test_canary import Client, ask, known, look, spoil
from tests.journey.test_rights import become_known, collect, command, copy

MARKED: Final = {"table access_log", "table erasure", "table privacy_request", "table segment_change", "journal"}
"""Where the random id of an erased person stays, with nothing that leads to it: marks, receipts, who looked."""
INDEXED: Final = {"table suppression", "table privacy_request", "journal"}
"""Where their blind indexes stay, so that they stay forgotten."""
ANNOUNCED: Final = ("log tagway.erasures", "kafka tagway.erasures")
"""The topic of erasures holds what the journal does."""
CACHED: Final = "redis tagway:subject:"
"""For seconds after somebody has asked, gateways remember here that an index is suppressed, and not a word more."""


async def live(stack: Stack, canary: Canary, kafka_bootstrap: str | None) -> None:
    """Leave traces of one person in every place that holds any."""
    client = Client(stack, canary)
    whose = {"userId": canary.user_id, "anonymousId": canary.anonymous_id}
    await collect(stack, whose | {"type": "track", "event": "Consent Preference Updated"})
    said = CONSENT | canary.signals
    events = [event for event in canary.events() if "userId" not in event]
    events = [whose | event | {"context": said | event.get("context", {})} for event in events]
    outcomes = await collect(stack, *events)
    assert outcomes.count("accepted") == len(events) - 2
    await known(stack, canary, identified=3)
    await look(client, stack, canary)
    for by in ({"email": canary.email}, {"externalId": canary.user_id}, {"anonymousId": canary.anonymous_id}):
        await ask(stack, canary, "ACCESS", by)
    await spoil(stack, canary, kafka_bootstrap)


class Ids:
    """Every random id and blind index of whoever is in a database."""

    def __init__(self, ids: set[UUID], indexes: set[bytes]) -> None:
        self.ids = {form for each in ids for form in (str(each).encode(), each.bytes, each.hex.encode())}
        self.indexes = {
            form
            for each in indexes
            for form in (each, each.hex().encode(), base64.b64encode(each), base64.urlsafe_b64encode(each))
        }

    @staticmethod
    def places(traces: Traces, forms: set[bytes]) -> set[str]:
        """Tell in which places any of the forms stands."""
        return {place for place, content in traces.items() if any(form in content for form in forms)}


def stores_of(stack: Stack) -> Any:
    return json.loads((stack.data / "stores.json").read_text())


async def ids_of_all(stack: Stack) -> Ids:
    connection = await asyncpg.connect(stores_of(stack)["TAGWAY_POSTGRES_URL"])
    try:
        people = await connection.fetch("SELECT id FROM subject UNION SELECT id FROM profile")
        indexes = await connection.fetch("SELECT DISTINCT index FROM alias")
    finally:
        await connection.close()
    return Ids({row["id"] for row in people}, {row["index"] for row in indexes})


async def traces_of(stack: Stack) -> Traces:
    """Gather the tables, with the log topic by topic, Redis, what was said, and the journal."""
    url = stores_of(stack)["TAGWAY_POSTGRES_URL"]
    traces = await read_tables(url) | await read_redis(stores_of(stack)["TAGWAY_REDIS_URL"])
    del traces["table log_record"]
    connection = await asyncpg.connect(url)
    try:
        for row in await connection.fetch("SELECT topic, key, value FROM log_record"):
            place = f"log {row['topic']}"
            traces[place] = b"\n".join((traces.get(place, b""), row["key"], row["value"]))
    finally:
        await connection.close()
    return traces | {"output": stack.output.read_bytes(), "journal": (stack.data / "erasures.jsonl").read_bytes()}


def assert_forgotten(traces: Traces, canary: Canary, ids: Ids) -> None:
    assert sightings(traces, [*canary.secrets, *canary.tokens, canary.plain]) == []
    announced = {place for place in traces if place.startswith(ANNOUNCED)}
    assert ids.places(traces, ids.ids) <= MARKED | announced
    refused = {place for place, content in traces.items() if place.startswith(CACHED) and is_refusal(place, content)}
    assert ids.places(traces, ids.indexes) <= INDEXED | announced | refused


def is_refusal(place: str, content: bytes) -> bool:
    """Tell whether an entry of the cache says nothing beyond its name: workspace, kind, version and keyed index."""
    return content.replace(place.removeprefix("redis ").encode(), b"").strip() in {b"suppressed", b""}


async def assert_stays_forgotten(stack: Stack, canary: Canary) -> None:
    for whose in (
        {"userId": canary.user_id},
        {"anonymousId": canary.anonymous_id},
        {"anonymousId": "somebody new", "context": CONSENT | {"traits": {"email": canary.email.upper()}}},
    ):
        assert await collect(stack, {"type": "track", "event": "search", **whose}) == ["dropped_suppressed"]
    for by in ({"email": canary.email}, {"phone": canary.phone}, {"externalId": canary.user_id}):
        assert (await stack.graphql(PERSON, by=by))["profile"] is None


@pytest.mark.timeout(400)
async def test_nothing_is_left_of_an_erased_person_nor_in_a_restored_backup(
    start_stack: Callable[..., Awaitable[Stack]],
) -> None:
    stack, canary, bob = await start_stack(), Canary(), f"bob{secrets.token_hex(6)}"
    await live(stack, canary, None)
    ids = await ids_of_all(stack)
    await become_known(stack, bob, f"{bob}@example.com")
    before = await read_tables(stores_of(stack)["TAGWAY_POSTGRES_URL"])
    assert sightings(before, [canary.plain])
    places = ids.places(before, ids.ids | ids.indexes)
    assert {"table subject", "table alias", "table profile"} <= places
    assert any(place.startswith("table event_2") for place in places), "the quarter's part of the events"
    assert await stack.stop() == 0
    postgres, backup = stack.data / "postgres", stack.data.with_name(f"{stack.data.name}.backup")
    await copy(postgres, backup)

    stack = await start_stack(stack.data)
    code, receipt, said = await command(stack, "erase", "--email", canary.email, "--yes")
    assert code == 0, said
    await assert_stays_forgotten(stack, canary)
    assert_forgotten(await traces_of(stack) | {"receipt": receipt, "said": said}, canary, ids)
    assert await stack.stop() == 0

    shutil.rmtree(postgres)
    await copy(backup, postgres)
    stack = await start_stack(stack.data)
    await assert_stays_forgotten(stack, canary)
    traces = await traces_of(stack)
    assert_forgotten(traces, canary, ids)
    assert sightings(traces, [f"wish of {bob}"])
    assert b"erasures_replayed" in stack.output.read_bytes()
    assert await stack.stop() == 0
    plain = [secret for secret in canary.secrets if secret != canary.signals["tcString"]]
    assert sightings(read_files(stack.data), plain) == [], "no file ever held more than what is sealed"


@pytest.mark.timeout(300)
async def test_what_kafka_keeps_of_an_erased_person_leads_to_nobody(
    start_stack: Callable[..., Awaitable[Stack]], kafka_bootstrap: str
) -> None:
    stack, canary = await start_stack(kafka_bootstrap=kafka_bootstrap), Canary()
    await live(stack, canary, kafka_bootstrap)
    ids = await ids_of_all(stack)
    code, _, said = await command(stack, "erase", "--user-id", canary.user_id, "--yes")
    assert code == 0, said
    await assert_stays_forgotten(stack, canary)
    assert_forgotten(await traces_of(stack), canary, ids)
    assert sightings(await read_kafka(kafka_bootstrap), [*canary.secrets, *canary.tokens]) == []
