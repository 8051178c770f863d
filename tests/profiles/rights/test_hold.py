"""Restriction, objection, limits and opt-outs: stored, and not used."""

from datetime import UTC, datetime
from typing import Any

from domain.consent import Purpose
from domain.request import Holds
from resolvers.node import to_global
from tests.fixtures.gateway import GRANTED
from tests.fixtures.office import PERSON, Office, did, identify
from tests.profiles.rights.test_erase import GOLD, SAVE, become_known

SINCE = datetime(2026, 5, 4, tzinfo=UTC)
VIEWED = {"type": "count", "event": "product_view", "op": ">=", "n": 1, "window": "7d"}


async def holds_of(office: Office) -> Any:
    (row,) = await office.gateway.sql(
        """
        SELECT restricted_at, objected_at, limited_at FROM profile WHERE workspace_id = $1 AND merged_into IS NULL
        """,
        office.workspace,
    )
    return row


async def recommended(office: Office, customer: str) -> list[Any]:
    status, answer = await office.gateway.post(
        "/recommend",
        {"customer_id": customer},
        headers={"Authorization": f"Bearer {office.gateway.tenant.secret_key}"},
    )
    assert status == 200
    items: list[Any] = answer["recommendations"]
    return items


async def test_a_restricted_person_is_stored_and_not_used(office: Office) -> None:
    person = await become_known(office)
    request = await office.ask("RESTRICT", {"email": "ann@example.com"})
    assert request["steps"][0]["counts"] == {"profiles": 1, "segments": 1}

    by = {"externalId": "ann"}
    assert await office.api.code(PERSON, by=by) == "restricted"
    assert await office.api.code("query ($id: ID!) { node(id: $id) { id } }", id=person["id"]) == "restricted"
    assert (await office.api.data("{ profiles { nodes { id } totalCount } }"))["profiles"] == {
        "nodes": [],
        "totalCount": 0,
    }
    members = '{ segment(key: "gold") { size members { nodes { id } } } }'
    assert (await office.api.data(members))["segment"] == {"size": 0, "members": {"nodes": []}}
    assert await recommended(office, "ann") == []
    events = await office.gateway.sql("SELECT message_id FROM event WHERE workspace_id = $1", office.workspace)
    assert len(events) == 4
    [node] = (
        await office.api.data(
            "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[to_global("Event", events[0]["message_id"])]
        )
    )["nodes"]
    assert node is None

    # Storing goes on, and export is what the restriction may be for.
    assert await office.tell(did("ann", "product_view", product_id="p2")) == ["accepted"]
    export = await office.export(await office.ask("ACCESS", by))
    assert len(export["events"]) == 5
    assert export["segments"] == []
    assert export["profile"]["held_back"]["restricted_at"]

    await office.ask("LIFT", by)
    lifted = await office.person(externalId="ann")
    assert [each["segment"]["key"] for each in lifted["segments"]] == ["gold"]
    assert lifted["counters"]["product_view"] == 2


async def test_nothing_adds_an_objector_again(office: Office) -> None:
    await become_known(office)
    await office.ask("OBJECT", {"externalId": "ann"})
    person = await office.person(externalId="ann")
    assert person["segments"] == []
    # Neither an event, nor a new trait, nor a new segment over all profiles.
    await office.tell(did("ann", "product_view", product_id="p2"), identify("ann", plan="gold", visits=1))
    await office.api.data(SAVE, key="viewers", definition=VIEWED)
    await office.api.data(SAVE, key="golden", definition=GOLD | {"op": "!=", "value": "tin"})
    while any(
        row["status"] == "building"
        for row in await office.gateway.sql("SELECT status FROM segment WHERE workspace_id = $1", office.workspace)
    ):
        await office.tell(did("ann", "search"))
    assert (await office.person(externalId="ann"))["segments"] == []
    assert await recommended(office, "ann") == []
    assert await recommended(office, "bob") == []


async def test_an_objection_survives_a_merge(office: Office) -> None:
    await office.api.data(SAVE, key="gold", definition=GOLD)
    await office.tell(identify("ann", plan="gold"), did("ann", "search"))
    await office.tell(did("someone", "search") | {"userId": None, "anonymousId": "a phone"})
    await office.ask("OBJECT", {"anonymousId": "a phone"})
    await office.tell(identify("ann", plan="gold") | {"anonymousId": "a phone"})
    assert (await holds_of(office))["objected_at"] is not None
    assert (await office.person(externalId="ann"))["segments"] == []


async def test_an_opt_out_of_sale_is_in_force_at_once(office: Office) -> None:
    await office.tell(identify("ann", consent={**GRANTED, "sale_or_share": True}, plan="gold"))
    request = await office.ask("OPT_OUT", {"externalId": "ann"}, regime="CCPA")
    consents = {each["purpose"]: each for each in (await office.person(externalId="ann"))["consents"]}
    assert {purpose: each["state"] for purpose, each in consents.items()} == {
        "SALE_OR_SHARE": "DENIED",
        "ADVERTISING": "DENIED",
    }
    assert consents["ADVERTISING"]["source"].startswith("request:")
    await office.tell(did("ann", "product_view", product_id="p1"))
    (row,) = await office.gateway.sql(
        "SELECT purposes FROM event WHERE workspace_id = $1 AND name = 'product_view'", office.workspace
    )
    assert row["purposes"] == ["analytics", "personalization"]
    assert request["overdue"] is False


async def test_the_use_of_sensitive_fields_can_be_limited(office: Office) -> None:
    await become_known(office)
    await office.ask("LIMIT_SENSITIVE", {"externalId": "ann"}, regime="CCPA")
    holds = Holds(**dict(await holds_of(office)))
    assert holds.allows(Purpose.FUNCTIONAL, sensitive=True)
    assert not holds.allows(Purpose.ADVERTISING, sensitive=True)
    assert holds.allows(Purpose.ADVERTISING, sensitive=False)
    assert [each["segment"]["key"] for each in (await office.person(externalId="ann"))["segments"]] == ["gold"]


def test_what_is_held_back_decides_what_may_be_used() -> None:
    assert Holds().allows(Purpose.ADVERTISING, sensitive=True)
    assert not Holds(restricted_at=SINCE).allows(Purpose.NECESSARY, sensitive=False)
    assert not Holds(objected_at=SINCE).allows(Purpose.PERSONALIZATION, sensitive=False)
    assert Holds(objected_at=SINCE).allows(Purpose.FUNCTIONAL, sensitive=True)
    assert Holds(objected_at=SINCE).profiling
    assert not Holds(limited_at=SINCE).profiling
    joined = Holds(restricted_at=SINCE).joined(Holds(limited_at=SINCE))
    assert joined == Holds(restricted_at=SINCE, limited_at=SINCE)
