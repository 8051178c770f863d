"""Erasure: nothing is left, nothing comes back, and whoever was told of a membership is told of its end."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from domain.topics import CONSENTS, ERASURES, EVENTS, SEGMENT_CHANGES
from privacy.receipt import is_genuine
from stores.journal import Journal
from tests.fixtures.gateway import event
from tests.fixtures.graphql import Api
from tests.fixtures.office import Office, did, identify
from tests.fixtures.traces import read_redis, read_tables, sightings
from tests.patience import AT_ALL

SAVE = """mutation ($key: String!, $definition: JSON!) {
    saveSegment(input: {key: $key, definition: $definition}) { __typename } }"""
GOLD = {"type": "trait", "name": "plan", "op": "==", "value": "gold"}


async def become_known(office: Office, user: str = "ann", email: str = "ann@example.com") -> Any:
    """Let a person be seen on two devices, told by e-mail that they are one, in a segment."""
    await office.api.data(SAVE, key="gold", definition=GOLD)
    await office.tell(
        event("product_view", anonymousId=f"phone of {user}", properties={"product_id": f"seen by {user}"}),
        identify(user, email=email, phone="+4915112345678", plan="gold"),
        did(user, "search", query=f"lamp for {user}"),
    )
    await office.tell(identify(user, email=email) | {"anonymousId": f"phone of {user}"})
    async with asyncio.timeout(AT_ALL):
        while not (person := await office.person(externalId=user))["segments"]:
            await asyncio.sleep(0.05)
    return person


async def test_nothing_is_left_of_an_erased_person(office: Office) -> None:
    ann = f"ann{uuid4().hex}"  # other tests' people lie in the same database
    email, marks = f"{ann}@example.com", [f"seen by {ann}", f"lamp for {ann}"]
    await become_known(office, ann, email)
    await office.tell(identify("bob", email="bob@example.com", plan="gold"), did("bob", "search", query="chair"))
    await office.ask("ACCESS", {"email": email})
    (subject,) = {row["subject_id"] for row in await office.gateway.sql(OF_EMAIL, office.workspace, marks[1])} - {None}
    (profile,) = {row["profile_id"] for row in await office.gateway.sql(OF_SUBJECT, subject)}
    await bury(office, f'{{"subject":"{subject}","name":"spoilt"}}'.encode())
    async with asyncio.timeout(AT_ALL):
        while not await told_of(office, subject):
            await asyncio.sleep(0.05)
    before = await read_tables(office.gateway.database_url)
    assert all(sightings(before, [mark]) for mark in [*marks, str(subject)])

    request = await office.ask("ERASE", {"externalId": ann})

    traces = await read_tables(office.gateway.database_url) | await read_redis(str(office.settings.redis_url))
    traces |= {"journal": office.journal.read_bytes()}
    assert sightings(traces, [*marks, email]) == []
    assert sightings(traces, ["chair"])
    assert not await told_of(office, subject)
    places = {place for place in traces if str(subject).encode() in traces[place]}
    kept = {"erasure", "log_record", "privacy_request", "segment_change", "access_log"}
    assert places <= {"journal", *(f"table {name}" for name in kept)}
    for kind in ({"externalId": ann}, {"email": email}, {"anonymousId": f"phone of {ann}"}):
        assert await office.person(**kind) is None
    assert (await office.person(externalId="bob"))["traits"] == {"plan": "gold"}
    counts = {step["name"]: step["counts"] for step in request["steps"]}
    assert counts["erase"]["event"] == 4
    assert counts["erase"]["dead_letter"] == 1
    assert counts["erase"]["answers"] == 1
    assert counts["erase"]["suppressed"] == 6
    assert set(counts["verify"].values()) == {0}
    assert is_genuine(request["receipt"])
    assert request["receipt"]["receipt"]["steps"]["verify"]["counts"]["event"] == 0
    assert await office.gateway.sql("SELECT FROM access_log WHERE profile_id = $1 AND action = 'erase'", profile)


OF_EMAIL = """
    SELECT subject_id FROM alias WHERE workspace_id = $1 AND kind = 'email' AND subject_id IN (
        SELECT subject_id FROM event WHERE properties->>'query' = $2)
"""
OF_SUBJECT = "SELECT profile_id FROM subject WHERE id = $1"


async def told_of(office: Office, subject: Any) -> bool:
    """Tell whether the topic of consents says anything of somebody."""
    return bool(
        await office.gateway.sql(
            "SELECT FROM log_record WHERE topic = $1 AND (position($2 IN value) > 0 OR position($3 IN key) > 0)",
            CONSENTS,
            str(subject).encode(),
            subject.bytes,
        )
    )


async def bury(office: Office, value: bytes) -> None:
    await office.gateway.sql(
        """
        INSERT INTO dead_letter (workspace_id, topic, partition, "offset", reason, value, at)
        VALUES ($1, 'test', 0, (random() * 1e9)::bigint, 'spoilt', $2, now())
        """,
        office.workspace,
        value,
    )


async def test_subscribers_are_told_and_the_log_forgets(office: Office) -> None:
    person = await become_known(office)
    story = await office.api.subscribe(
        "subscription ($id: ID!) { segmentChanges(profile: {id: $id}) { kind segmentKey cause profileId } }",
        id=person["id"],
    )
    await story.until("SNAPSHOT_END")
    await office.ask("ERASE", {"email": "ann@example.com"})
    (ended,) = await story.next()
    assert (ended["kind"], ended["segmentKey"], ended["cause"]) == ("EXITED", "gold", {"request": "erase"})
    await story.close()
    rows = await office.gateway.sql("SELECT topic, key, value FROM log_record")
    (profile,) = await office.gateway.sql(
        "SELECT DISTINCT profile_id FROM erasure WHERE workspace_id = $1", office.workspace
    )
    keys = {row["topic"] for row in rows if row["key"] == profile["profile_id"].bytes}
    assert keys.isdisjoint({EVENTS, SEGMENT_CHANGES})
    announced = [row["value"] for row in rows if row["topic"] == ERASURES and row["key"] == office.workspace.bytes]
    assert len(announced) == 1
    assert announced[0] == office.journal.read_bytes().strip()


@pytest.mark.parametrize(
    "whose",
    [
        {"userId": "ann"},
        {"anonymousId": "phone of ann"},
        {"anonymousId": "browser of ann"},
        {"userId": "somebody else", "traits": {"email": " ANN@example.com"}, "type": "identify"},
        {"userId": "somebody new", "anonymousId": "phone of ann"},
        {"anonymousId": "new phone", "traits": {"phone": "+49 151 12345678"}, "type": "identify"},
        {"userId": "Ann@Example.com"},
        {"anonymousId": "ann@example.com"},
        {"userId": "somebody new", "previousId": "ann@example.com", "type": "alias"},
        {
            "userId": "somebody new",
            "traits": {"email": "new@example.com"},
            "context": {"traits": {"email": "ann@example.com"}},
            "type": "identify",
        },
    ],
)
async def test_whoever_is_erased_stays_so_under_each_alias(office: Office, whose: dict[str, Any]) -> None:
    await become_known(office)
    await office.ask("ERASE", {"email": "ann@example.com"})
    again = {name: value for name, value in event().items() if name != "anonymousId"} | whose
    assert await office.tell(again) == ["dropped_suppressed"]
    assert await office.gateway.sql("SELECT FROM subject WHERE workspace_id = $1", office.workspace) == []
    assert await office.gateway.sql("SELECT FROM event WHERE workspace_id = $1", office.workspace) == []


async def test_someone_never_seen_can_be_erased_ahead(office: Office) -> None:
    request = await office.ask("ERASE", {"email": "never@example.com"})
    counts = {step["name"]: step["counts"] for step in request["steps"]}
    assert counts["erase"]["suppressed"] == 1
    assert counts["erase"]["subject"] == 0
    assert await office.tell(identify("nina", email="never@example.com")) == ["dropped_suppressed"]
    assert await office.tell(identify("nina", email="nina@example.com")) == ["accepted"]


async def test_an_erasure_that_comes_twice_finds_nothing(office: Office) -> None:
    await become_known(office)
    for found in (True, False):
        request = await office.ask("ERASE", {"externalId": "ann"})
        counts = {step["name"]: step["counts"] for step in request["steps"]}
        assert (counts["erase"]["subject"] > 0) is found
    assert len(list(Journal(office.journal).read())) == 2


async def test_a_visitor_erases_themselves_and_keeps_the_receipt(office: Office, api: Api) -> None:
    await become_known(office)
    visitor = office.visitor(user_id="ann")
    request = await visitor.ask("ERASE")
    assert is_genuine(request["receipt"])
    assert await office.visitor(user_id="bob").api.data(
        "query ($id: ID!) { privacyRequest(id: $id) { id } }", id=request["id"]
    ) == {"privacyRequest": None}
    assert await visitor.api.code("{ privacyRequests { totalCount } }") == "wrong_kind_of_key"
    assert api.caller is not None


class Lost:
    """A pool whose server is gone."""

    async def acquire(self, **_: Any) -> Any:
        raise asyncpg.PostgresConnectionError


async def test_no_store_no_erased_person_accepted(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Postgres nobody's standing is known: the request is refused whole."""
    await office.ask("ERASE", {"email": "ann@example.com"})
    assert await office.tell(identify("bob")) == ["accepted"]
    monkeypatch.setattr(office.gateway.resources.database, "_pool", Lost())
    async with office.gateway.resources.redis.client() as redis:
        await redis.flushall()
    status, answer = await office.gateway.post("/v1/batch", {"batch": [identify("ann", email="ann@example.com")]})
    assert status == 503
    # Without results where not even the workspace was in memory any more.
    assert {result["outcome"] for result in answer.get("results", ())} <= {"unavailable"}
