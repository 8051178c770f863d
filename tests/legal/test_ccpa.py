"""What the California Consumer Privacy Act asks of whoever keeps data, one test for each statement.

Sections without a sign are those of 11 CCR, with § those of the Civil Code. Of the Delete Act (§1798.99.86) only the
matching of hashed lists is shown: polling its platform and reporting back is the duty of registered data brokers, and
this product sells no data about people who have no relation with its operator. Third parties are told of an opt-out by
not being given anything more, as nothing is passed on without the consent that is stored at that moment.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from domain.consent import Purpose
from domain.request import Regime, RequestKind
from privacy.clock import Timeliness, deadlines, timeliness
from tests.fixtures.gateway import GRANTED, event
from tests.fixtures.graphql import Api
from tests.fixtures.office import OPEN, Office, did, identify
from tests.fixtures.person import detokenize
from tests.fixtures.world import StillClock
from tests.profiles.rights.test_erase import become_known

EVERYTHING = {**GRANTED, "sale_or_share": True}
SOLD = {"advertising", "sale_or_share"}
GPC = {"Sec-GPC": "1"}
SATURDAY = 5
MONDAY = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
CONSENT = "query ($by: ProfileBy!) { consent(by: $by) { purposes { purpose state askAgainAt } } }"
CONTROL = "query ($by: ProfileBy) { profile(by: $by) { globalPrivacyControl { honoured since } } }"


def opt_in(user: str, **fields: Any) -> dict[str, Any]:
    """Make the message in which a person grants everything."""
    return event("Consent Preference Updated", EVERYTHING, userId=user, anonymousId=f"browser of {user}", **fields)


async def purposes_of(office: Office, name: str) -> set[str]:
    """Give what the stored events of a name may be used for."""
    rows = await office.gateway.sql(
        "SELECT purposes FROM event WHERE workspace_id = $1 AND name = $2", office.workspace, name
    )
    assert rows
    return {purpose for row in rows for purpose in row["purposes"]}


async def test_ccpa_7025_one_signal_opts_out_the_browser_and_the_known_person(office: Office) -> None:
    await office.tell(opt_in("ann"), identify("ann", EVERYTHING, email="ann@example.com"))
    assert await office.gateway.batch(did("ann", "search"), headers=GPC)
    older = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    await office.tell(opt_in("ann", timestamp=older))
    await office.tell(
        event("product_view", EVERYTHING, anonymousId="browser of ann"),
        event("product_view", EVERYTHING, anonymousId="another browser", userId="ann"),
    )
    assert await purposes_of(office, "product_view") == {"analytics", "personalization"}
    refused = await detokenize(office.api, "traits.email", by={"externalId": "ann"}, purpose="ADVERTISING")
    assert refused["code"] == "consent_missing"


async def test_ccpa_7025_c_6_that_the_signal_is_honoured_can_be_shown(office: Office) -> None:
    await office.tell(identify("ann", EVERYTHING))
    by = {"externalId": "ann"}
    assert (await office.api.data(CONTROL, by=by))["profile"]["globalPrivacyControl"] == {
        "honoured": False,
        "since": None,
    }
    await office.gateway.batch(did("ann", "search"), headers=GPC)
    told = (await office.visitor(user_id="ann").api.data(CONTROL))["profile"]["globalPrivacyControl"]
    assert told["honoured"] is True
    assert datetime.now(UTC) - datetime.fromisoformat(told["since"]) < timedelta(minutes=1)


async def test_ccpa_7026_an_opt_out_is_in_force_in_seconds_and_nobody_asks_again_for_a_year(office: Office) -> None:
    period = deadlines(RequestKind.OPT_OUT, Regime.CCPA, MONDAY)
    assert period.due_at.date() == datetime(2026, 1, 26, tzinfo=UTC).date(), "15 business days"
    assert period.extended_due_at is None
    await office.tell(opt_in("ann"), identify("ann", EVERYTHING, email="ann@example.com"))
    request = await office.ask("OPT_OUT", {"externalId": "ann"}, regime="CCPA")
    assert (request["overdue"], request["status"]) == (False, "DONE")
    await office.tell(event("product_view", EVERYTHING, userId="ann"))
    assert not SOLD & await purposes_of(office, "product_view")
    refused = await detokenize(office.api, "traits.email", by={"externalId": "ann"}, purpose="ADVERTISING")
    assert refused["code"] == "consent_missing"
    said = {
        each["purpose"]: each
        for each in (await office.api.data(CONSENT, by={"externalId": "ann"}))["consent"]["purposes"]
    }
    for purpose in ("ADVERTISING", "SALE_OR_SHARE"):
        assert said[purpose]["state"] == "DENIED"
        assert datetime.fromisoformat(said[purpose]["askAgainAt"]) > datetime.now(UTC) + timedelta(days=364)


async def test_ccpa_7026_f_an_opt_out_is_owed_within_15_business_days_and_holidays_are_none(office: Office) -> None:
    asked = "query ($id: ID!) { privacyRequest(id: $id) { receivedAt dueAt timeliness } }"

    async def owed(holidays: frozenset[date]) -> tuple[date, date]:
        api = replace(office.api, holidays=holidays)
        opened = {"kind": "OPT_OUT", "regime": "CCPA", "by": {"externalId": "ann"}}
        request_id = (await api.data(OPEN, input=opened))["openPrivacyRequest"]["request"]["id"]
        request = (await api.data(asked, id=request_id))["privacyRequest"]
        assert request["timeliness"] == "ON_TIME"
        return datetime.fromisoformat(request["receivedAt"]).date(), datetime.fromisoformat(request["dueAt"]).date()

    received, due = await owed(frozenset())
    days = [received + timedelta(days=number) for number in range(1, 40)]
    business_days = [day for day in days if day.weekday() < SATURDAY]
    assert due == business_days[14]
    received_later, later = await owed(frozenset(business_days[:2]))
    assert received_later != received or later == business_days[16]


async def test_ccpa_7021_requests_are_confirmed_in_10_business_days_and_answered_in_45(office: Office) -> None:
    clock = StillClock(MONDAY)
    period = deadlines(RequestKind.ACCESS, Regime.CCPA, clock())
    assert period.confirm_by is not None
    assert period.confirm_by.date() == datetime(2026, 1, 19, tzinfo=UTC).date()
    clock.advance(days=45)
    assert timeliness(period, clock()) is Timeliness.WARNING
    clock.advance(seconds=1)
    assert timeliness(period, clock()) is Timeliness.OVERDUE
    assert timeliness(period, clock(), extended=True) is Timeliness.ON_TIME
    clock.now = MONDAY + timedelta(days=90, seconds=1)
    assert timeliness(period, clock(), extended=True) is Timeliness.OVERDUE

    opened = await office.open("ACCESS", {"externalId": "ann"}, regime="CCPA")
    asked = "query ($id: ID!) { privacyRequest(id: $id) { receivedAt dueAt confirmBy } }"
    request = {
        name: datetime.fromisoformat(value)
        for name, value in (await office.api.data(asked, id=opened))["privacyRequest"].items()
    }
    assert request["dueAt"] - request["receivedAt"] == timedelta(days=45)
    assert timedelta(days=12) <= request["confirmBy"] - request["receivedAt"] <= timedelta(days=16)


async def test_ccpa_1798_121_sensitive_fields_serve_what_was_asked_for_only(office: Office) -> None:
    await office.tell(opt_in("ann"), identify("ann", EVERYTHING, firstName="Ann", email="ann@example.com"))
    by = {"externalId": "ann"}
    before = await detokenize(office.api, "traits.firstName", by=by)
    assert before["__typename"] == "Released", before
    await office.ask("LIMIT_SENSITIVE", by, regime="CCPA")
    assert (await detokenize(office.api, "traits.firstName", by=by))["code"] == "restricted"
    allowed = await detokenize(office.api, "traits.firstName", by=by, purpose="FUNCTIONAL")
    assert allowed["__typename"] == "Released", allowed
    plain = await detokenize(office.api, "traits.email", by=by)
    assert plain["__typename"] == "Released", plain


async def test_ccpa_1798_105_who_was_deleted_stays_deleted(office: Office) -> None:
    await become_known(office)
    await office.ask("ERASE", {"email": "ann@example.com"}, regime="CCPA")
    before = suppressed(office)
    assert await office.tell(identify("somebody else", email="Ann@Example.com ")) == ["dropped_suppressed"]
    assert suppressed(office) == before + 1
    for table in ("event", "subject", "alias", "profile"):
        assert await office.gateway.sql(f"SELECT FROM {table} WHERE workspace_id = $1", office.workspace) == [], table
    assert await office.gateway.sql("SELECT FROM suppression WHERE workspace_id = $1", office.workspace)


def suppressed(office: Office) -> float:
    """Count the events that this process has turned away since the person is suppressed."""
    figures = office.gateway.resources.metrics.expose().decode().splitlines()
    found = [
        float(line.rsplit(" ", 1)[1])
        for line in figures
        if line.startswith("tagway_events_total") and 'outcome="dropped_suppressed"' in line
    ]
    return sum(found)


@pytest.mark.parametrize(
    ("kind", "listed"),
    [("email", "ann@example.com"), ("phone", "4915112345678"), ("phone", "+4915112345678")],
)
async def test_delete_act_a_hashed_list_finds_the_person(office: Office, kind: str, listed: str) -> None:
    await become_known(office)
    request = await office.ask("ERASE", {kind: sha256(listed.encode()).hexdigest()}, regime="CCPA")
    counts = {step["name"]: step["counts"] for step in request["steps"]}
    assert counts["erase"]["event"] == 4
    assert await office.person(externalId="ann") is None
    assert await office.tell(identify("ann")) == ["dropped_suppressed"]


@pytest.mark.parametrize("purpose", [Purpose.ADVERTISING, Purpose.SALE_OR_SHARE])
async def test_ccpa_7025_nothing_is_sold_before_anyone_has_spoken(api: Api, office: Office, purpose: Purpose) -> None:
    await office.tell(identify("ann", {"analytics": True, "personalization": True}, email="ann@example.com"))
    refused = await detokenize(api, "traits.email", by={"externalId": "ann"}, purpose=purpose.name)
    assert refused["code"] in {"consent_missing", "not_covered"}
