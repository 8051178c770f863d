"""What the General Data Protection Regulation asks of whoever keeps data, one test for each statement.

Article 22 does not apply: the product decides nothing about people by itself. It shows segments and recommendations to
whoever asks, and starts nothing that has legal effect. Article 19 and the recipients of article 17 apply as far as the
product knows recipients: those who follow the log. It calls no system of anybody else. That an erasure holds in a
restored backup and in Kafka is shown in `tests/journey`, on the product as it is run.
"""

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from domain.clock import utc_now
from domain.consent import Purpose, State
from domain.errors import Refused
from domain.event import CallType
from domain.key import Scope
from domain.request import Regime, RequestKind
from domain.topics import ERASURES, EVENTS
from domain.workspace import Controller
from privacy.clock import Timeliness, deadlines, timeliness
from privacy.fields import resolved_fields
from privacy.plan import default_document, read_plan
from privacy.receipt import is_genuine
from privacy.record import record_of_processing
from profiles.sweeper import Sweeper
from stores.eventlog.open import topics
from stores.eventlog.port import Record
from stores.eventlog.postgres import PostgresLog
from stores.plans import add_plan
from stores.postgres import Database
from tests.fixtures.gateway import Gateway, event, make_tenant
from tests.fixtures.graphql import Api
from tests.fixtures.office import PERSON, Office, did, identify
from tests.fixtures.person import detokenize
from tests.fixtures.traces import read_redis, read_tables, sightings
from tests.fixtures.world import Sent, StillClock, World
from tests.gateway.test_ledger import assert_proven
from tests.profiles.rights.test_desk import EXTEND
from tests.profiles.rights.test_erase import GOLD, SAVE, become_known
from tests.profiles.rights.test_gather import api_of, contents

MONDAY = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
SET = "mutation ($input: SetConsentInput!) { setConsent(input: $input) { __typename } }"
LOOKS = """query ($actor: String, $from: DateTime, $to: DateTime) {
    accessLog(actor: $actor, from: $from, to: $to, first: 50) { nodes { profileId fields } } }"""
OWNED = """
    SELECT relname AS name, relrowsecurity AND relforcerowsecurity AS is_forced FROM pg_class
    JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'workspace_id' AND NOT attisdropped
    WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1
"""


async def owned(gateway: Gateway, workspace: UUID) -> dict[str, int]:
    """Count the rows that a workspace has in every table that holds workspaces' rows."""
    tables = [row["name"] for row in await gateway.sql(OWNED)]
    counts = {}
    for table in tables:
        (row,) = await gateway.sql(f"SELECT count(*) AS n FROM {table} WHERE workspace_id = $1", workspace)
        counts[table] = row["n"]
    return {table: number for table, number in counts.items() if number}


def dropped(gateway: Gateway) -> float:
    """Count the events that this process has dropped for want of consent."""
    lines = gateway.resources.metrics.expose().decode().splitlines()
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.startswith("tagway_events_total") and 'outcome="dropped_consent"' in line
    )


async def test_article_5_1_c_a_field_without_a_purpose_is_kept_nowhere(
    office: Office, capfd: pytest.CaptureFixture[str]
) -> None:
    canary, kept = f"canary{secrets.token_hex(8)}", f"kept{secrets.token_hex(8)}"
    extra: dict[str, Any] = {f"x{secrets.token_hex(6)}": canary for _ in range(100)}
    without = {"functional": True, "analytics": True}
    await office.tell(
        did("ann", "product_view", product_id=kept, **extra),
        identify("ann", **extra),
        identify("ann", without, firstName=canary),
        event("purchase", userId="ann", properties=extra, context=extra),
    )
    traces = await read_tables(office.gateway.database_url) | await read_redis(str(office.settings.redis_url))
    traces |= {"metrics": office.gateway.resources.metrics.expose(), "output": "".join(capfd.readouterr()).encode()}
    assert sightings(traces, [kept])
    assert sightings(traces, [canary]) == []


async def test_article_5_1_e_row_log_cached_name_and_key_go_when_their_time_is_over(world: World) -> None:
    world.clock.now = utc_now()
    plain, keep = {"kind": "plain"}, timedelta(days=30)
    plan: dict[str, Any] = {"version": 1, "retention_days": 100, "context": {}, "fields": {}}
    plan["traits"] = {"plan": plain | {"retention_days": 30}, "age": plain}
    plan["events"] = {"ping": {"purposes": ["analytics"], "retention_days": 2}, "identify": {"purposes": ["analytics"]}}
    forgotten: list[Any] = []

    async def forget(_workspace: UUID, aliases: Any) -> None:
        forgotten.extend(aliases)

    async def left() -> dict[str, int]:
        sweeper = Sweeper(world.workshop(), log, keep=keep, keys_of=world.keys_of, forget=forget)
        async for _ in sweeper.sweep():
            pass
        tables = ("event", "log_record", "profile", "alias", "subject")
        return {table: len(await world.fetch(f"SELECT FROM {table}")) for table in tables}

    async with world.database.across() as connection:
        await add_plan(connection, world.workspace, plan, world.clock())
    log = PostgresLog(world.database)
    try:
        await log.ensure_topics(topics(keep))
        now = world.clock()
        stated = Sent(("user_id:ann",), at=now, type=CallType.IDENTIFY, traits={"plan": "gold", "age": 3})
        await world.send(stated, Sent(("user_id:ann",), "ping", at=now))
        await log.append(EVENTS, [Record(uuid4().bytes, b"x")])
        await world.execute(
            "INSERT INTO consumer_offset SELECT 'builders', topic, partition, next_offset FROM log_partition"
            " ON CONFLICT (consumer_group, topic, partition) DO UPDATE SET next_offset = excluded.next_offset"
        )
        assert await left() == {"event": 2, "log_record": 1, "profile": 1, "alias": 1, "subject": 1}
        world.clock.advance(days=2)
        assert (await left())["event"] == 1, "of another purpose's or event's time nothing is taken"
        world.clock.advance(days=28, seconds=1)
        assert (await left())["log_record"] == 0
        (row,) = await world.fetch("SELECT traits FROM profile")
        assert row["traits"].keys() == {"age"}
        world.clock.advance(days=70)
        assert (await left())["alias"] == 0
        assert len(forgotten) == 1, "the caches are told"
        world.clock.advance(days=1)
        assert await left() == {"event": 0, "log_record": 0, "profile": 0, "alias": 0, "subject": 0}
    finally:
        await log.close()


async def test_article_6_without_a_basis_nothing_is_kept_and_the_drop_is_counted(gateway: Gateway) -> None:
    before, counted = await owned(gateway, gateway.tenant.workspace), dropped(gateway)
    (result,) = await gateway.batch(event(consent={"telemetry": True, "whatever": True}))
    assert result["outcome"] == "dropped_consent"
    assert await owned(gateway, gateway.tenant.workspace) == before
    assert dropped(gateway) == counted + 1


async def test_article_7_1_consent_is_proven_for_each_of_a_thousand_events(gateway: Gateway) -> None:
    chance = secrets.SystemRandom()
    names = ("functional", "analytics", "personalization", "advertising")
    for _ in range(52):
        await gateway.batch(
            *(
                event(
                    "search",
                    dict.fromkeys(chance.sample(names, 3), True) | {"analytics": True},
                    anonymousId=f"visitor-{chance.randrange(50)}",
                )
                for _ in range(20)
            )
        )
    assert len(await assert_proven(gateway)) >= 1_000


async def test_article_7_3_withdrawing_is_as_easy_as_giving_and_holds_at_once(office: Office) -> None:
    by = {"externalId": "ann"}
    await office.tell(identify("ann", email="ann@example.com"))
    for state, outcome in (("GRANTED", "accepted"), ("DENIED", "dropped_consent")):
        purposes = [
            {"purpose": purpose.name, "state": state} for purpose in Purpose if purpose is not Purpose.NECESSARY
        ]
        said = await office.api.data(SET, input={"by": by, "purposes": purposes})
        assert said["setConsent"]["__typename"] == "ConsentPayload"
        assert await office.tell(did("ann", "search")) == [outcome], "at the door, whatever the page claims"
        shown = await detokenize(office.api, "traits.email", by=by)
        assert (shown["__typename"] == "Released") is (state == "GRANTED"), "on the way out"
    states = await office.gateway.sql(
        "SELECT DISTINCT state FROM consent WHERE workspace_id = $1 AND purpose <> 'necessary'", office.workspace
    )
    assert {row["state"] for row in states} <= {State.DENIED, State.WITHDRAWN}


async def test_article_12_3_requests_are_answered_in_a_month_by_those_who_may_ask(office: Office) -> None:
    clock = StillClock(MONDAY)
    period = deadlines(RequestKind.ACCESS, Regime.GDPR, clock())
    clock.advance(days=24, hours=23)
    assert timeliness(period, clock()) is Timeliness.ON_TIME
    clock.advance(hours=1)
    assert timeliness(period, clock()) is Timeliness.WARNING
    clock.now = MONDAY.replace(month=2, second=1)
    assert timeliness(period, clock()) is Timeliness.OVERDUE
    assert timeliness(period, clock(), extended=True) is Timeliness.ON_TIME
    assert period.extended_due_at == MONDAY.replace(month=4)

    assert office.rest is not None
    await office.rest()
    opened = await office.open("ACCESS", {"externalId": "ann"})
    assert (await office.api.data(EXTEND, id=opened, reason=" "))["extendPrivacyRequest"]["path"] == ["input", "reason"]
    asked = "mutation ($by: ProfileBy) { openPrivacyRequest(input: {kind: ACCESS, by: $by}) { __typename } }"
    visitor = office.visitor(user_id="eve").api
    answer = await visitor.run(asked, by={"externalId": "ann"})
    assert answer.errors or answer.data["openPrivacyRequest"]["__typename"] != "PrivacyRequestPayload"
    weaker = office.api.with_scopes(set(Scope) - {Scope.PRIVACY_ADMIN})
    assert await weaker.code(asked, by={"externalId": "ann"}) == "missing_scope"


async def test_article_15_an_answer_says_what_why_for_how_long_and_to_whom(office: Office) -> None:
    await become_known(office)
    export = await office.export(await office.ask("ACCESS", {"email": "ann@example.com"}))
    assert export["profile"]["traits"]["email"] == "ann@example.com"
    known = {(each["kind"], each["value"]) for each in export["identities"]}
    assert known >= {("user_id", "ann"), ("email", "ann@example.com"), ("phone", "+4915112345678")}
    assert {"search", "product_view"} <= {each.get("event") for each in export["events"]}
    assert [each["key"] for each in export["segments"]] == ["gold"]
    assert export["segments"][0]["definition"] == GOLD
    processing = export["processing"]
    assert processing["source"]
    assert processing["profiling"]
    for field in processing["fields"]:
        assert field["recipients"], field
        assert all(use["purpose"] and use["basis"] and use["retention_days"] for use in field["uses"]), field
    assert export["ledger"]


async def test_article_16_a_corrected_address_leads_to_the_person_and_the_old_one_nowhere(office: Office) -> None:
    person = await become_known(office)
    await office.ask("RECTIFY", {"email": "ann@example.com"}, traits={"email": "anne@example.com"})
    assert await office.person(email="ann@example.com") is None
    assert (await office.person(email="anne@example.com"))["id"] == person["id"]
    await office.tell(
        event("search", userId="new", anonymousId="new", context={"traits": {"email": "ann@example.com"}})
    )
    assert (await office.person(externalId="new"))["id"] != person["id"]


async def test_article_17_an_erased_person_is_gone_with_a_signed_receipt_and_the_followers_told(
    office: Office,
) -> None:
    ann = f"ann{uuid4().hex}"
    email, marks = f"{ann}@example.com", [f"seen by {ann}", f"lamp for {ann}"]
    await become_known(office, ann, email)
    assert sightings(await read_tables(office.gateway.database_url), marks)
    request = await office.ask("ERASE", {"email": email}, reason=f"{email} wants to be forgotten")
    traces = await read_tables(office.gateway.database_url) | await read_redis(str(office.settings.redis_url))
    assert sightings(traces | {"journal": office.journal.read_bytes()}, [*marks, email, ann]) == []
    assert is_genuine(request["receipt"])
    (left,) = [step["counts"] for step in request["steps"] if step["name"] == "verify"]
    assert set(left.values()) == {0}
    announced = await office.gateway.sql(
        "SELECT value FROM log_record WHERE topic = $1 AND key = $2", ERASURES, office.workspace.bytes
    )
    assert len(announced) == 1


async def test_article_18_a_restricted_person_is_stored_and_not_used(office: Office) -> None:
    await become_known(office)
    by = {"externalId": "ann"}
    await office.ask("RESTRICT", by)
    assert await office.api.code(PERSON, by=by) == "restricted"
    members = '{ segment(key: "gold") { members { nodes { id } } } }'
    assert (await office.api.data(members))["segment"]["members"]["nodes"] == []
    assert await office.tell(did("ann", "search")) == ["accepted"]
    export = await office.export(await office.ask("ACCESS", by))
    assert len(export["events"]) == 5
    assert export["segments"] == []


async def test_article_20_what_was_provided_goes_into_an_empty_workspace_identically(office: Office) -> None:
    await become_known(office)
    export = await office.export(await office.ask("PORTABILITY", {"externalId": "ann"}))
    tenant = await make_tenant(office.gateway.database_url, "elsewhere")
    resources, url = office.gateway.resources, office.gateway.database_url
    elsewhere = Office(
        Gateway(office.gateway.url, tenant, url, office.gateway.http, resources),
        await api_of(office, tenant.workspace),
        office.journal,
        office.settings,
    )
    for body in json.loads(msgspec.json.encode(export["batches"])):
        assert set(await elsewhere.tell(*body["batch"])) == {"accepted"}
    assert await contents(elsewhere.gateway, tenant.workspace) == await contents(office.gateway, office.workspace)


async def test_article_21_who_objects_leaves_all_segments_and_is_not_added_again(office: Office) -> None:
    await become_known(office)
    await office.ask("OBJECT", {"externalId": "ann"})
    assert (await office.person(externalId="ann"))["segments"] == []
    await office.tell(identify("ann", plan="gold"), identify("bob", plan="gold"))
    await office.api.data(SAVE, key="golden", definition=GOLD | {"op": "!=", "value": "tin"})
    while len((await office.person(externalId="bob"))["segments"]) < 2:  # the new segment is built when bob is in it
        await office.tell(did("bob", "search"))
    assert (await office.person(externalId="ann"))["segments"] == []


async def test_article_25_a_new_workspace_keeps_nothing_of_who_has_said_nothing(gateway: Gateway) -> None:
    before, counted = await owned(gateway, gateway.tenant.workspace), dropped(gateway)
    results = await gateway.batch(
        *(
            {"type": "track", "event": "product_view", "anonymousId": "a", "properties": {"product_id": "p"}},
            {"type": "identify", "userId": "ann", "traits": {"email": "ann@example.com"}},
            {"type": "page", "anonymousId": "a", "context": {"consent": {"categoryPreferences": {}}}},
        )
    )
    assert {result["outcome"] for result in results} == {"dropped_consent"}
    assert await owned(gateway, gateway.tenant.workspace) == before
    assert await gateway.log_values() == []
    redis = gateway.resources.redis
    cached = [await redis.get(name) async for name in redis.scan_iter(f"tagway:subject:{gateway.tenant.workspace}:*")]
    assert not any(cached)
    assert dropped(gateway) == counted + 3


def test_article_30_the_record_of_processing_is_complete_for_every_field() -> None:
    plan = read_plan(default_document())
    fields = resolved_fields(plan)
    assert fields
    for field in fields:
        assert field.kind, field
        assert field.recipients, field
        assert field.uses, field
        assert all(use.basis and use.retention_days > 0 for use in field.uses), field
    record = record_of_processing(plan, 1, Controller(name="Shop Ltd", contact="dpo@shop.example"))
    assert {use.purpose for field in fields for use in field.uses} == {each.purpose for each in record.activities}
    assert record.security_measures
    for unannotated in ({}, {"type": "string"}, {"kind": "plain", "purposes": []}):
        with pytest.raises(Refused):
            read_plan({"version": 1, "fields": {"shoe_size": unannotated}})


async def test_article_32_no_role_sees_another_workspace_and_nothing_lies_open(office: Office) -> None:
    ann = f"ann{uuid4().hex}"
    await become_known(office, ann, f"{ann}@example.com")
    stranger = await make_tenant(office.gateway.database_url, "stranger")
    tables = await office.gateway.sql(OWNED)
    for row in tables:
        may_read = [
            await office.gateway.sql("SELECT has_table_privilege($1, $2, 'SELECT') AS it", role, row["name"])
            for role in ("tagway_app", "tagway_worker")
        ]
        # Without policies of its own is what no role may name: the partitions below a table that has them.
        assert row["is_forced"] or not any(each["it"] for (each,) in may_read), row["name"]
    app = await Database.open(office.gateway.database_url, role="app", max_size=1)
    try:
        async with app.workspace(stranger.workspace) as connection:
            (role,) = await connection.fetch(
                "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
            )
            assert (role["rolsuper"], role["rolbypassrls"]) == (False, False)
            assert not await connection.fetchval(
                "SELECT bool_or(tableowner = current_user) FROM pg_tables WHERE schemaname = 'public'"
            )
            readable = [
                row["name"]
                for row in tables
                if await connection.fetchval("SELECT has_table_privilege($1, 'SELECT')", row["name"])
            ]
            assert {"event", "profile", "alias", "subject", "consent"} <= set(readable)
            for table in readable:
                seen = await connection.fetchval(
                    f"SELECT count(*) FROM {table} WHERE workspace_id = $1", office.workspace
                )
                assert seen == 0, table
    finally:
        await app.close()
    assert sightings(await read_tables(office.gateway.database_url), [f"{ann}@example.com", "+4915112345678"]) == []


async def test_article_33_who_was_exposed_by_one_key_in_an_hour_is_listed_at_once(office: Office, api: Api) -> None:
    seen = []
    for user in ("ann", "bob", "eve"):
        consent = event(
            "Consent Preference Updated", {"personalization": True}, userId=user, anonymousId=f"browser of {user}"
        )
        await office.tell(consent, identify(user, email=f"{user}@example.com", firstName=user))
    stolen, other = (api.with_scopes(Scope) for _ in range(2))
    since = datetime.now(UTC)
    for key, user, fields in (
        (stolen, "ann", ("traits.email",)),
        (other, "eve", ("traits.email",)),
        (stolen, "bob", ("traits.email", "traits.firstName")),
    ):
        answer = await detokenize(key, *fields, by={"externalId": user})
        assert answer["__typename"] == "Released", answer
        seen.append((answer["profileId"], list(fields)))
    assert stolen.caller is not None
    actor, until = stolen.caller.principal.actor, datetime.now(UTC)
    span = {"from": since.isoformat(), "to": until.isoformat()}
    listed = (await api.data(LOOKS, actor=actor, **span))["accessLog"]["nodes"]
    assert [(each["profileId"], each["fields"]) for each in listed] == [seen[2], seen[0]]
    later = {"from": until.isoformat(), "to": (until + timedelta(hours=1)).isoformat()}
    assert (await api.data(LOOKS, actor=actor, **later))["accessLog"]["nodes"] == []
