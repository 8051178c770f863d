"""Access and portability: everything that is held, in the person's hands, and out of ours again after a week."""

import json
from datetime import timedelta
from typing import Any

import msgspec

from domain.clock import utc_now
from stores.postgres import Database
from stores.requests import drop_expired
from tests.fixtures.gateway import Gateway, event, make_tenant
from tests.fixtures.graphql import Api
from tests.fixtures.office import EXPORT, Office, did, identify
from tests.fixtures.traces import read_tables, sightings
from tests.profiles.rights.test_erase import become_known

AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)


async def test_an_export_holds_all_that_is_held(office: Office) -> None:
    await become_known(office)
    await office.tell(identify("ann", firstName="Ann-Sophie", address={"street": "Lane 7"}))
    export = await office.export(await office.ask("ACCESS", {"phone": "+49 151 12345678"}))

    profile = export["profile"]
    assert profile["traits"]["email"] == "ann@example.com"
    assert profile["traits"]["firstName"] == "Ann-Sophie"
    assert profile["traits"]["plan"] == "gold"
    values = {(each["kind"], each["value"]) for each in export["identities"]}
    assert values == {
        ("user_id", "ann"),
        ("email", "ann@example.com"),
        ("phone", "+4915112345678"),
        ("anonymous_id", None),
    }
    assert sum(each["kind"] == "anonymous_id" for each in export["identities"]) == 2
    assert {each.get("event") or each["type"] for each in export["events"]} == {"product_view", "identify", "search"}
    (segment,) = export["segments"]
    assert segment["key"] == "gold"
    assert segment["definition"]["name"] == "plan"
    assert segment["cause"].keys() & {"event", "backfill"}
    assert [each["kind"] for each in export["requests"]] == ["access"]
    (email,) = [each for each in export["processing"]["fields"] if each["path"] == "traits.email"]
    assert [use["purpose"] for use in email["uses"]] == ["advertising", "functional", "personalization"]
    assert {use["basis"] for use in email["uses"]} == {"consent"}
    assert {use["retention_days"] for use in email["uses"]} == {395}
    assert email["recipients"]
    assert {record["leaf"]["purpose"] for record in export["ledger"]} >= {"analytics", "personalization"}
    assert all(record["salt"] for record in export["ledger"])
    assert export["processing"]["source"]
    assert export["processing"]["profiling"]


async def test_an_export_holds_what_was_stated_in_events_that_are_gone(office: Office) -> None:
    await become_known(office)
    await office.gateway.sql(
        """
        INSERT INTO statement SELECT workspace_id, (sealed #>> '{email,subject}')::uuid, traits, sealed FROM profile
        WHERE sealed ? 'email' AND workspace_id = $1 RETURNING subject_id
        """,
        office.workspace,
    )
    export = await office.export(await office.ask("ACCESS", {"externalId": "ann"}))
    values = {each["trait"]: each["value"] for each in export["earlier_statements"]}
    assert (values["email"], values["plan"]) == ("ann@example.com", "gold")


async def test_each_fetch_is_written_down_first_and_shows_in_the_next_export(office: Office) -> None:
    await become_known(office)
    request = await office.ask("ACCESS", {"externalId": "ann"})
    for _ in range(2):
        await office.export(request)
    rows = await office.gateway.sql(
        "SELECT actor, action, reason FROM access_log WHERE workspace_id = $1", office.workspace
    )
    assert [row["action"] for row in rows] == ["export", "export"]
    export = await office.export(await office.ask("ACCESS", {"externalId": "ann"}))
    assert len(export["looks_at_the_data"]) == 2


async def test_an_answer_rests_sealed_and_expires(office: Office) -> None:
    await become_known(office)
    request = await office.ask("ACCESS", {"externalId": "ann"})
    assert sightings(await read_tables(office.gateway.database_url), ["ann@example.com"]) == []
    await office.gateway.sql(
        "UPDATE privacy_request SET expires_at = now() WHERE workspace_id = $1 RETURNING id", office.workspace
    )
    assert await office.export(request) is None


async def test_expired_answers_are_thrown_away(office: Office) -> None:
    await become_known(office)
    await office.ask("ACCESS", {"externalId": "ann"})
    database = await Database.open(office.gateway.database_url, role="worker", max_size=1)
    async with database.across() as connection:
        assert await drop_expired(connection, utc_now() + timedelta(days=6)) == 0
        assert await drop_expired(connection, utc_now() + timedelta(days=8)) >= 1
    await database.close()
    (row,) = await office.gateway.sql("SELECT result FROM privacy_request WHERE workspace_id = $1", office.workspace)
    assert row["result"] is None


async def test_of_someone_unknown_there_is_nothing(office: Office) -> None:
    assert await office.export(await office.ask("ACCESS", {"email": "nobody-here@example.com"})) is None


async def test_what_was_provided_goes_into_an_empty_workspace_identically(office: Office) -> None:
    await become_known(office)
    await office.tell(
        did("ann", "purchase", order_id="o-1", total=12.5, products=[{"product_id": "lamp", "price": 12.5}]),
        event("page", anonymousId="phone of ann", context={"userAgent": AGENT, "ip": "203.0.113.77"})
        | {"type": "page", "name": "Lamps", "properties": {"url": "https://shop.test/lamps?utm_source=mail"}},
        identify("ann", address={"street": "Lane 7"}, visits=3, firstName="Ann"),
        event("search", {"analytics": True}, userId="ann", properties={"query": "desk"}),
        event("Consent Preference Updated", {"analytics": True, "advertising": True}, userId="ann"),
    )
    export = await office.export(await office.ask("PORTABILITY", {"externalId": "ann"}))
    before = await contents(office.gateway, office.workspace)

    tenant = await make_tenant(office.gateway.database_url, "elsewhere")
    elsewhere = Office(
        Gateway(office.gateway.url, tenant, office.gateway.database_url, office.gateway.http, office.gateway.resources),
        await api_of(office, tenant.workspace),
        office.journal,
        office.settings,
    )
    for body in json.loads(msgspec.json.encode(export["batches"])):
        outcomes = await elsewhere.tell(*body["batch"])
        assert set(outcomes) == {"accepted"}
    after = await contents(elsewhere.gateway, tenant.workspace)
    for rows_after, rows_before in zip(after, before, strict=True):
        assert rows_after == rows_before
    again = await elsewhere.export(await elsewhere.ask("PORTABILITY", {"email": "ann@example.com"}))
    assert without_ids(again["batches"]) == without_ids(export["batches"])


async def contents(gateway: Gateway, workspace: Any) -> Any:
    """Give what a workspace holds of its one person, without random ids and without what only their key opens."""
    events = await gateway.sql(
        """
        SELECT message_id, type, name, at, properties::text, traits::text, context::text, purposes,
            ARRAY(SELECT jsonb_object_keys(sealed) ORDER BY 1) AS sealed
        FROM event WHERE workspace_id = $1 ORDER BY message_id
        """,
        workspace,
    )
    profiles = await gateway.sql(
        """
        SELECT counters::text, first_seen_at, last_seen_at,
            (SELECT jsonb_object_agg(key, value->'v')::text FROM jsonb_each(traits)) AS traits
        FROM profile WHERE workspace_id = $1 AND merged_into IS NULL
        """,
        workspace,
    )
    consents = await gateway.sql(
        "SELECT DISTINCT purpose, state FROM consent WHERE workspace_id = $1 ORDER BY 1", workspace
    )
    return [[tuple(row) for row in rows] for rows in (events, profiles, consents)]


async def api_of(office: Office, workspace: Any) -> Api:
    caller = office.api.caller
    assert caller is not None
    opened = await office.gateway.resources.workspaces.get(workspace)
    principal = msgspec.structs.replace(caller.principal, workspace=workspace)
    return Api(office.gateway, type(caller)(principal, opened.keys), office.api.statements)


def without_ids(batches: Any) -> Any:
    return [
        [{name: value for name, value in call.items() if name != "anonymousId"} for call in body["batch"]]
        for body in batches
    ]


async def test_a_visitor_fetches_their_own_answer_and_nobody_elses(office: Office) -> None:
    await become_known(office)
    visitor = office.visitor(user_id="ann")
    request = await visitor.ask("ACCESS")
    assert (await visitor.export(request))["profile"]["traits"]["email"] == "ann@example.com"
    stranger = office.visitor(user_id="bob")
    assert await stranger.api.data(EXPORT, id=request["id"]) == {"privacyRequest": None}
    assert (
        await visitor.api.code(
            "mutation { openPrivacyRequest(input: {kind: RECTIFY, traits: {plan: 1}}) { __typename } }"
        )
        == "wrong_kind_of_key"
    )
