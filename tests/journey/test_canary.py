"""No plain personal data after the gate: what clients send in every way they can is looked for everywhere."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from domain.topics import EVENTS
from stores.eventlog.brokers import Brokers
from stores.eventlog.open import open_log
from stores.eventlog.port import Record
from stores.postgres import Database
from tests.fixtures.canary import CONSENT, PERSON, Canary, questions
from tests.fixtures.office import EXPORT, FOLLOW, OPEN
from tests.fixtures.stack import Stack
from tests.fixtures.traces import (
    Traces,
    forms,
    listening,
    read_files,
    read_kafka,
    read_redis,
    read_tables,
    sightings,
)
from tests.journey.test_rights import copy
from tests.patience import AT_ALL

RELEASE: Final = """mutation ($detokenize: DetokenizeInput!, $issue: IssueTokenInput!) {
  detokenize(input: $detokenize) { __typename ... on Released { values { value } } }
  issueToken(input: $issue) { __typename ... on IssuedToken { token } } }"""
LOST: Final = "{ droppedFields { path reason count } }"
WRITTEN: Final = (
    "access_log",
    "consent_evidence",
    "consent_opening",
    "consent_record",
    "dead_letter",
    "dropped_field",
    "erasure",
    "privacy_request",
    "suppression",
    "vault_token",
)
"""Tables that must hold something for their silence to prove anything."""
LOOKS: Final = "{ accessLog(first: 50) { nodes { actor action fields purpose reason } } }"
EVERYTHING: Final = """{ profiles(first: 50) { nodes {
  id traits counters identities { kind } consents { purpose source } segments { cause segment { key } }
  events(first: 50) { nodes { messageId type name properties } } } } }"""
KINDS = {"USER_ID", "EMAIL", "PHONE", "DEVICE_ID", "ANONYMOUS_ID"}


class Client:
    """Sends what a test gives it, in whatever shape, and keeps every answer."""

    def __init__(self, stack: Stack, canary: Canary) -> None:
        self._stack = stack
        self._headers = {
            "User-Agent": f"Mozilla/5.0 {canary.mark}",
            "Referer": f"https://shop.test/?{canary.email}",
            "X-Forwarded-For": canary.address,
            "X-Request-Id": canary.mark,
            "Cookie": f"id={canary.mark}",
        }
        self.answers: list[bytes] = []

    async def send(self, path: str, body: Any = None, *, key: str | None = None, method: str = "POST") -> Any:
        headers = self._headers | {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        async with self._stack.http.request(method, self._stack.url + path, data=data, headers=headers) as response:
            answer = await response.read()
            self.answers.append(answer + b"\n" + repr(response.headers).encode())
            return json.loads(answer) if response.content_type == "application/json" else None


async def tell(client: Client, stack: Stack, canary: Canary) -> None:
    """Send every event that is taken: in a batch, alone, as a pixel, by an operator's own system."""
    whose = {"userId": canary.user_id, "anonymousId": canary.anonymous_id}
    consent = whose | {"event": "Consent Preference Updated", "context": CONSENT}
    await client.send("/v1/track", consent, key=stack.write_key)
    said = CONSENT | canary.signals
    batch = [whose | event | {"context": said | event.get("context", {})} for event in canary.events()]
    answer = await client.send("/v1/batch", {"batch": batch, "context": {"ip": canary.address}}, key=stack.write_key)
    assert answer["counts"] == {"accepted": len(batch) - 2, "invalid": 2}, answer
    for event in batch[:5]:
        await client.send(f"/v1/{event['type']}", event, key=stack.write_key)
    pixel = base64.urlsafe_b64encode(json.dumps(batch[2] | {"writeKey": stack.write_key}).encode()).decode()
    await client.send(f"/pixel/v1/track?data={pixel}", method="GET")
    update = {
        "customer_id": canary.other_id,
        "behavioral_data": {"actions": [canary.email], canary.email: canary.mark},
        "transactional_data": {"last_purchase": canary.phone},
        "demographic_data": {"email": f"other.{canary.email}", "name": canary.mark, "location": canary.email},
    }
    answer = await client.send("/update_profile", update, key=stack.secret_key)
    assert answer["counts"] == {"accepted": 1}, answer


async def look(client: Client, stack: Stack, canary: Canary) -> None:
    """See personal data, and let it leave, with reasons that repeat it; then read the log of that."""
    by = {"email": canary.email}
    reason = f"{canary.user_id} asked from {canary.email} and calls on {canary.spaced_phone}, at {canary.address}"
    person = {"by": {"externalId": canary.user_id}, "purpose": "PERSONALIZATION", "reason": reason}
    detokenize = person | {"fields": ["traits.email", "traits.phone", "traits.name", "user_id"]}
    wish = {"by": by, "field": "traits.phone", "purpose": "PERSONALIZATION", "reason": f"for {canary.email} alone"}
    for form in ("VAULT", "PARTNER", "GOOGLE", "META", "UID2", "SNAP"):
        issue = wish | {"form": form, **({"partner": "mailer"} if form == "PARTNER" else {})}
        told = await stack.graphql(RELEASE, detokenize=detokenize, issue=issue)
        assert canary.phone in repr(told["detokenize"]), told
        token = told["issueToken"]["token"]
        if form in ("VAULT", "PARTNER"):
            partner = {"partner": "mailer", "fields": ["traits.phone"]} if form == "PARTNER" else {}
            again = {"token": token, **partner, "purpose": "PERSONALIZATION", "reason": "a second look at it"}
            told = await stack.graphql(RELEASE, detokenize=again, issue=issue)
            assert canary.phone in repr(told["detokenize"]), told
            canary.tokens.append(token)
    await client.send("/graphql", {"query": LOOKS}, key=stack.secret_key)
    assert b"[id] asked from [email] and calls on [phone], at [ip]" in client.answers[-1]


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something in the product's other processes holds."""
    async with asyncio.timeout(AT_ALL):
        while not await holds():
            await asyncio.sleep(0.1)


async def ask(stack: Stack, canary: Canary, kind: str, by: dict[str, str], **more: Any) -> str:
    """Open a request with a reason that repeats what is personal, and wait until it is met."""
    reason = f"{' '.join(by.values())} wrote from {canary.email} and calls on {canary.spaced_phone}"
    opened = await stack.graphql(OPEN, input={"kind": kind, "by": by, "reason": reason, **more})
    request: str = opened["openPrivacyRequest"]["request"]["id"]

    async def is_met() -> bool:
        status: str = (await stack.graphql(FOLLOW, id=request))["privacyRequest"]["status"]
        assert status != "FAILED"
        return status == "DONE"

    await eventually(is_met)
    return request


async def exercise(stack: Stack, canary: Canary) -> None:
    """Let answers and corrections lie sealed, answers be fetched, and somebody be erased."""
    by = {"email": canary.email}
    await ask(stack, canary, "RECTIFY", by, traits={"firstName": f"Anna-{canary.mark}"})
    for kind, named in (("ACCESS", by), ("PORTABILITY", {"externalId": canary.user_id})):
        request = await ask(stack, canary, kind, named)
        export = (await stack.graphql(EXPORT, id=request))["privacyRequest"]["export"]
        assert canary.phone in repr(export)
    await ask(stack, canary, "ERASE", {"externalId": canary.other_id})


async def spoil(stack: Stack, canary: Canary, kafka_bootstrap: str | None) -> None:
    """Cut an event of hers on the log, so that it becomes a dead letter."""
    url = json.loads((stack.data / "stores.json").read_text())["TAGWAY_POSTGRES_URL"]
    traces = await (read_kafka(kafka_bootstrap) if kafka_bootstrap else read_tables(url))
    lines = [line for content in traces.values() for line in content.split(b"\n")]
    event = next(line for line in lines if line.startswith(b"{") and canary.plain.encode() in line)
    database = await Database.open(url, role="worker", max_size=2)
    log = await open_log(Brokers(kafka_bootstrap) if kafka_bootstrap else None, database)
    try:
        await log.append(EVENTS, [Record(UUID(json.loads(event)["subject"]).bytes, event[:-1])])

        async def is_buried() -> bool:
            async with database.across() as connection:
                return bool(await connection.fetchval("SELECT count(*) FROM dead_letter"))

        await eventually(is_buried)
    finally:
        await log.close()
        await database.close()


async def be_refused(client: Client, stack: Stack, canary: Canary) -> None:
    """Send what is turned away: bad events, bad requests, bad keys, bad paths and bad questions."""
    refused = list(canary.refused())
    async with asyncio.timeout(AT_ALL):
        while True:
            answer = await client.send("/v1/batch", {"batch": refused}, key=stack.write_key)
            assert sum(answer["counts"].values()) == len(refused)
            # A store that is slow for a moment has the batch spooled, and what consent forbids is dropped later.
            if "accepted" not in answer["counts"]:
                break
    event = {"type": "track", "event": canary.email, "userId": canary.user_id, "context": CONSENT}
    for key in (canary.email, canary.mark):
        await client.send("/v1/track", event, key=key)
        await client.send(f"/v1/track?writeKey={key}", event | {"writeKey": key})
        await client.send(f"/v1/projects/{key}/settings", method="GET")
        await client.send(f"/tag/{key}.js", method="GET")
        await client.send(f"/people/{key}?email={key}", method="GET")
        await client.send("/update_profile", {"customer_id": key}, key=key)
        await client.send("/graphql", {"query": PERSON, "variables": {"by": {"email": key}}}, key=key)
    await client.send("/v1/track", f'{{"userId": "{canary.email}", '.encode(), key=stack.write_key)
    await client.send("/v1/batch", {"batch": canary.email}, key=stack.write_key)
    await client.send("/update_profile", {"customer_id": [canary.email]}, key=stack.secret_key)
    await client.send("/demo/token", {"anonymousId": [canary.mark]})
    for query, variables in questions(canary):
        await client.send("/graphql", {"query": query, "variables": variables}, key=stack.secret_key)


async def known(stack: Stack, canary: Canary, identified: int = 5) -> dict[str, Any]:
    """Wait until the person is built, and return what is shown of them."""
    async with asyncio.timeout(AT_ALL):
        while True:
            profile = (await stack.graphql(PERSON, by={"email": canary.email}))["profile"]
            if profile and profile["counters"].get("identify", 0) >= identified:
                return dict(profile)
            await asyncio.sleep(0.05)


async def leave_traces(stack: Stack, canary: Canary, kafka_bootstrap: str | None = None) -> Traces:
    """Send everything, and gather what was written and said anywhere."""
    stores = json.loads((stack.data / "stores.json").read_text())
    workspace = json.loads((stack.data / "keys.json").read_text())["workspace"]
    client = Client(stack, canary)
    async with listening(stores["TAGWAY_REDIS_URL"], workspace) as heard:
        await tell(client, stack, canary)
        await be_refused(client, stack, canary)
        profile = await known(stack, canary)
        await look(client, stack, canary)
        await client.send("/graphql", {"query": EVERYTHING}, key=stack.secret_key)
        await client.send("/metrics", method="GET")
    for by in ({"phone": canary.phone}, {"externalId": canary.user_id}, {"anonymousId": canary.anonymous_id}):
        assert (await stack.graphql(PERSON, by=by))["profile"] == profile
    assert {each["kind"] for each in profile["identities"]} == KINDS
    assert profile["traits"]["plan"] == "gold"
    assert (await stack.graphql(PERSON, by={"externalId": canary.other_id}))["profile"]["id"] != profile["id"]
    await exercise(stack, canary)
    await spoil(stack, canary, kafka_bootstrap)

    async def is_counted() -> bool:
        return bool((await stack.graphql(LOST))["droppedFields"])

    await eventually(is_counted)
    await client.send("/graphql", {"query": LOST}, key=stack.secret_key)
    traces = await read_tables(stores["TAGWAY_POSTGRES_URL"]) | await read_redis(stores["TAGWAY_REDIS_URL"])
    traces |= {f"answer {number}": answer for number, answer in enumerate(client.answers)}
    traces |= {"published": b"\n".join(heard), "output": stack.output.read_bytes()}
    assert [table for table in WRITTEN if not traces[f"table {table}"].strip()] == []
    assert (stack.data / "erasures.jsonl").read_bytes()
    return traces


def holds(traces: Traces, begin: str, text: str) -> bool:
    return any(text.encode() in content for place, content in traces.items() if place.startswith(begin))


@pytest.mark.timeout(300)
async def test_nothing_personal_is_left_behind(start_stack: Callable[..., Awaitable[Stack]]) -> None:
    stack, canary = await start_stack(), Canary()
    traces = await leave_traces(stack, canary)
    assert await stack.stop() == 0
    traces |= read_files(stack.data) | {"output": stack.output.read_bytes()}
    for place in ("table event_2", "table log_record", "answer", "file postgres"):
        assert holds(traces, place, canary.plain), place
    assert holds(traces, "redis", "tagway:")
    assert holds(traces, "published", "product_view")
    assert holds(traces, "output", "/v1/{call}")
    assert holds(traces, "answer", "profile")
    assert sightings(traces, canary.secrets) == []
    assert len(canary.tokens) == 2
    assert not any(holds(traces, "", token) for token in canary.tokens)
    restored = await restore(start_stack, stack, canary)
    assert sightings(restored, canary.secrets) == []
    assert not any(holds(restored, "", token) for token in canary.tokens)


async def restore(start_stack: Callable[..., Awaitable[Stack]], stack: Stack, canary: Canary) -> Traces:
    """Start the product on a cold copy of its data, and gather what that holds and says."""
    folder = stack.data.with_name(f"{stack.data.name}.restored")
    await copy(stack.data, folder)
    restored = await start_stack(folder)
    stores: dict[str, str] = json.loads((Path(folder) / "stores.json").read_text())
    profile = (await restored.graphql(PERSON, by={"email": canary.email}))["profile"]
    assert profile["traits"]["plan"] == "gold"
    assert (await restored.graphql(PERSON, by={"externalId": canary.other_id}))["profile"] is None
    traces = await read_tables(stores["TAGWAY_POSTGRES_URL"]) | await read_redis(stores["TAGWAY_REDIS_URL"])
    assert await restored.stop() == 0
    traces |= read_files(folder) | {"output": restored.output.read_bytes()}
    assert holds(traces, "table event_2", canary.plain)
    return traces


@pytest.mark.timeout(300)
async def test_nothing_personal_reaches_kafka(
    start_stack: Callable[..., Awaitable[Stack]], kafka_bootstrap: str
) -> None:
    stack, canary = await start_stack(kafka_bootstrap=kafka_bootstrap), Canary()
    traces = await leave_traces(stack, canary, kafka_bootstrap) | await read_kafka(kafka_bootstrap)
    assert holds(traces, "kafka tagway.events", canary.plain)
    assert not holds(traces, "table log_record", canary.plain)
    assert sightings(traces, canary.secrets) == []
    assert len(canary.tokens) == 2
    assert not any(holds(traces, "", token) for token in canary.tokens)


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_the_search_sees_through_encodings(before: str) -> None:
    text = f"{before}ann@example.com, and more".encode()
    for written in (text, text.hex().encode(), base64.b64encode(text), base64.urlsafe_b64encode(text)):
        assert any(form in written for form in forms("Ann@Example.com"))
