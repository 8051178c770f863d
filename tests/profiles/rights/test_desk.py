"""The desk: a step is done once, also when its worker dies in the middle, and one stuck request holds up no other."""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.clock import utc_now
from domain.errors import LogUnavailable, Refused
from domain.request import Regime, Request, RequestKind
from gateway.desk import open_office
from privacy.sealing import Unreadable
from profiles.rights.case import Case, Counts
from profiles.rights.desk import Desk
from stores.journal import Journal
from stores.postgres import Database
from stores.requests import open_request, read_request
from tests.fixtures.office import FOLLOW, Office, building, identify
from tests.fixtures.traces import read_tables, sightings
from tests.patience import AT_ALL
from tests.profiles.rights.test_erase import become_known

ROOT = Path(__file__).parents[3]
EXTEND = """mutation ($id: ID!, $reason: String!) { extendPrivacyRequest(input: {id: $id, reason: $reason}) {
    __typename ... on PrivacyRequestPayload { request { dueAt extensionReason timeliness } }
    ... on Problem { message path } } }"""


async def die_at(office: Office, step: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAGWAY_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("dying_desk.py")),
        step,
        cwd=ROOT,
        env=environment | office.settings.environment() | {"PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert await asyncio.wait_for(process.wait(), AT_ALL) == -9
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_an_erasure_survives_the_death_of_its_worker_at_every_step(office: Office) -> None:
    ann = f"ann{uuid4().hex}"
    await become_known(office, ann, f"{ann}@example.com")
    assert office.rest is not None
    await office.rest()
    request_id = await office.open("ERASE", {"externalId": ann})
    done: list[str] = []
    for step in ("record", "erase", "forget_cached", "forget_logged"):
        await die_at(office, step)
        request = (await office.api.data(FOLLOW, id=request_id))["privacyRequest"]
        # The step that was killed left nothing behind but a line of the journal; those before it are kept.
        assert [each["name"] for each in request["steps"]] == done
        assert (await office.person(externalId=ann) is None) is ("erase" in done)
        done.append(step)
    async with building(office.settings):
        request = await office.follow(request_id)
    assert request["status"] == "DONE"
    assert request["progress"] == 1.0
    counts = {step["name"]: step["counts"] for step in request["steps"]}
    assert counts["erase"]["event"] == 4
    assert len(list(Journal(office.journal).read())) == 2
    assert sightings(await read_tables(office.gateway.database_url), [f"seen by {ann}", f"lamp for {ann}"]) == []


class Odd:
    """A desk whose one kind of request does what a test says."""

    def __init__(self, office: Office, database: Database, act: Any) -> None:
        self.office = office
        self.database = database
        self.desk = Desk(
            database, utc_now, office.gateway.resources.workspaces.rules, {RequestKind.OBJECT: [("act", act)]}
        )

    async def open(self) -> Request:
        now = utc_now()
        request = Request(
            workspace=self.office.workspace,
            id=self.office.workspace,
            kind=RequestKind.OBJECT,
            regime=Regime.GDPR,
            actor="test",
            received_at=now - timedelta(minutes=1),
            due_at=now,
        )
        async with self.database.across() as connection:
            await open_request(connection, request)
        return request

    async def read(self, request: Request) -> Request:
        async with self.database.across() as connection:
            found = await read_request(connection, request.workspace, request.id)
        assert found is not None
        return found


@pytest.mark.parametrize("fault", [LogUnavailable(), Unreadable(), ValueError("a@b.test"), Refused("not for you")])
async def test_a_fault_ends_or_puts_off_one_request(office: Office, fault: Exception) -> None:
    assert office.rest is not None
    await office.rest()
    calls: list[Request] = []

    async def act(case: Case) -> Counts:
        # Requests that other tests have left lie in the same database.
        calls.extend([case.request] if case.request.workspace == office.workspace else [])
        raise fault

    database = await Database.open(office.gateway.database_url, role="worker", max_size=2)
    odd = Odd(office, database, act)
    request = await odd.open()
    assert await odd.desk.advance(request.workspace, request.id) is False
    left = await odd.read(request)
    await odd.desk.work()
    await database.close()
    assert len(calls) == 1, "put off, or ended"
    if isinstance(fault, LogUnavailable | Unreadable):
        assert left.finished_at is None
    else:
        assert left.error == ("not for you" if isinstance(fault, Refused) else "a fault of ours: ValueError")


async def test_two_desks_do_each_step_once(office: Office) -> None:
    assert office.rest is not None
    await office.rest()
    acts: list[Request] = []

    async def act(case: Case) -> Counts:
        acts.append(case.request)
        await asyncio.sleep(0.1)
        return {}

    database = await Database.open(office.gateway.database_url, role="worker", max_size=4)
    odd = Odd(office, database, act)
    request = await odd.open()
    moved = await asyncio.gather(*(odd.desk.advance(request.workspace, request.id) for _ in range(3)))
    await database.close()
    assert sorted(moved) == [False, False, True]
    assert len(acts) == 1


async def test_a_process_forgets_whom_another_has_erased(office: Office) -> None:
    await office.tell(identify("ann", email="ann@example.com"))
    async with open_office(office.settings) as other:
        await other.desk.forget_erased()
        keys = await other.workspaces.keys(office.workspace)
        (row,) = await office.gateway.sql(
            "SELECT id, wrapped_key FROM subject WHERE workspace_id = $1", office.workspace
        )
        keys.sealer(row["id"], row["wrapped_key"])
        await office.ask("ERASE", {"externalId": "ann"})
        assert keys._sealers
        await other.desk.forget_erased()
        assert not keys._sealers


async def test_a_period_is_extended_once_with_a_reason(office: Office) -> None:
    assert office.rest is not None
    await office.rest()
    request_id = await office.open("ACCESS", {"externalId": "ann"})
    before = await office.api.data("query ($id: ID!) { privacyRequest(id: $id) { dueAt } }", id=request_id)
    blank = (await office.api.data(EXTEND, id=request_id, reason="  "))["extendPrivacyRequest"]
    assert blank["path"] == ["input", "reason"]
    told = await office.api.data(EXTEND, id=request_id, reason="Many systems, ask ann@example.com")
    extended = told["extendPrivacyRequest"]["request"]
    assert extended["dueAt"] > before["privacyRequest"]["dueAt"]
    assert extended["extensionReason"] == "Many systems, ask [email]"
    again = (await office.api.data(EXTEND, id=request_id, reason="More"))["extendPrivacyRequest"]
    assert again["__typename"] == "InvalidInput"
    opt_out = await office.open("OPT_OUT", {"externalId": "ann"}, regime="CCPA")
    refused = (await office.api.data(EXTEND, id=opt_out, reason="More"))["extendPrivacyRequest"]
    assert refused["message"] == "The law allows no longer period for this kind of request."


async def test_requests_are_listed_by_status(office: Office) -> None:
    await office.ask("ACCESS", {"externalId": "ann"})
    assert office.rest is not None
    await office.rest()
    for _ in range(3):
        await office.open("ACCESS", {"externalId": "ann"}, regime="CCPA")
    query = """query ($after: String, $status: PrivacyRequestStatus) {
        privacyRequests(first: 2, after: $after, status: $status) {
            totalCount pageInfo { hasNextPage endCursor } nodes { regime status confirmBy } } }"""
    page = (await office.api.data(query, status="RECEIVED"))["privacyRequests"]
    assert page["totalCount"] == 3
    assert {node["regime"] for node in page["nodes"]} == {"CCPA"}
    assert all(node["confirmBy"] for node in page["nodes"])
    rest = (await office.api.data(query, status="RECEIVED", after=page["pageInfo"]["endCursor"]))["privacyRequests"]
    assert len(rest["nodes"]) == 1
    assert rest["pageInfo"]["hasNextPage"] is False
    assert (await office.api.data(query, status="DONE"))["privacyRequests"]["totalCount"] == 1


async def test_a_reason_does_not_repeat_by_what_a_person_was_named(office: Office) -> None:
    assert office.rest is not None
    await office.rest()
    await office.open("ACCESS", {"externalId": "customer-4711"}, reason="customer-4711 wrote from ann@example.com")
    await office.visitor(user_id="visitor-17").open("ACCESS", reason="visitor-17 would like to know")
    rows = await office.gateway.sql(
        "SELECT reason FROM privacy_request WHERE workspace_id = $1 ORDER BY received_at", office.workspace
    )
    assert [row["reason"] for row in rows] == ["[id] wrote from [email]", "[id] would like to know"]
