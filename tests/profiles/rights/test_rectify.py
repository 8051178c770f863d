"""Rectification: the new value counts, the old identifier leads nowhere."""

import asyncio
from typing import Any

from tests.fixtures.office import OPEN, Office, did, identify
from tests.fixtures.traces import read_tables, sightings
from tests.patience import AT_ALL
from tests.profiles.rights.test_erase import become_known


async def test_the_old_address_leads_nowhere_and_the_new_one_to_the_person(office: Office) -> None:
    person = await become_known(office)
    request = await office.ask(
        "RECTIFY", {"email": "ann@example.com"}, traits={"email": "anne@example.com", "plan": "tin"}
    )
    assert request["steps"][0]["counts"] == {"traits": 2, "left_out": 0, "identifiers": 1}
    assert await office.person(email="ann@example.com") is None
    found = await office.person(email="anne@example.com")
    assert found["id"] == person["id"]
    assert found["traits"]["plan"] == "tin"
    assert found["segments"] == []
    export = await office.export(await office.ask("ACCESS", {"externalId": "ann"}))
    assert export["profile"]["traits"]["email"] == "anne@example.com"
    assert sightings(await read_tables(office.gateway.database_url), ["anne@example.com"]) == []
    # An older statement that comes late does not win.
    await office.tell(identify("ann", plan="gold") | {"timestamp": "2020-01-01T00:00:00Z"})
    assert (await office.person(externalId="ann"))["traits"]["plan"] == "tin"


async def test_an_address_of_somebody_else_is_not_taken(office: Office) -> None:
    await become_known(office)
    await office.tell(identify("bob", email="bob@example.com"))
    for email in ("bob@example.com", "erased@example.com"):
        await office.ask("ERASE", {"email": "erased@example.com"})
        request = await office.follow(await office.open("RECTIFY", {"externalId": "ann"}, traits={"email": email}))
        assert request["status"] == "FAILED"
        assert "new identifier belongs to" in request["error"]
    assert (await office.person(email="ann@example.com"))["counters"]["identify"] == 2


async def test_what_the_plan_refuses_fails_with_the_place(office: Office) -> None:
    await become_known(office)
    request = await office.follow(await office.open("RECTIFY", {"externalId": "ann"}, traits={"email": "no address"}))
    assert request["error"] == "traits.email: not an identifier, or a placeholder"


async def test_wrong_requests_are_told_by_place(office: Office) -> None:
    await office.tell(did("ann", "search"))
    by = {"externalId": "ann"}
    cases: list[tuple[dict[str, Any], str, list[str]]] = [
        ({"kind": "RECTIFY", "by": by}, "InvalidInput", ["input", "traits"]),
        ({"kind": "RECTIFY", "by": by, "traits": {"email": None}}, "InvalidInput", ["input", "traits"]),
        ({"kind": "ERASE", "by": by, "traits": {"plan": 1}}, "InvalidInput", ["input", "traits"]),
        ({"kind": "ERASE", "by": {"email": "none"}}, "InvalidInput", ["input", "by"]),
        ({"kind": "ERASE", "by": by, "reason": "x" * 2001}, "InvalidInput", ["input", "reason"]),
        ({"kind": "RECTIFY", "by": {"externalId": "nobody-yet"}, "traits": {"plan": 1}}, "NotFound", ["input", "by"]),
    ]
    for asked, problem, path in cases:
        opened = (await office.api.data(OPEN, input=asked))["openPrivacyRequest"]
        assert (opened["__typename"], opened["path"]) == (problem, path), asked


async def test_whoever_is_not_called_so_is_not_compared_by_that_name(office: Office) -> None:
    settings = '{"identity": {"matching": true}}'
    await office.gateway.sql("UPDATE workspace SET settings = $1 WHERE id = $2", settings, office.workspace)
    office.gateway.resources.workspaces._known.clear()
    wrong: dict[str, Any] = {"name": "Bob Jones", "birthday": "1980-02-29", "address": {"postcode": "70173"}}
    await office.tell(identify("ann", **wrong), identify("bob", **wrong))
    question = "SELECT FROM match_candidate WHERE workspace_id = $1 AND status = 'open'"
    async with asyncio.timeout(AT_ALL):
        while not await office.gateway.sql(question, office.workspace):
            await asyncio.sleep(0.05)
    await office.ask("RECTIFY", {"externalId": "ann"}, traits={"name": "Ann Miller"})
    assert not await office.gateway.sql(question, office.workspace)
    blank = "SELECT field FROM likeness WHERE workspace_id = $1 AND bits = ''"
    assert [row["field"] for row in await office.gateway.sql(blank, office.workspace)] == ["name"]
    # An older statement that comes late does not bring it back.
    await office.tell(identify("ann", **wrong) | {"timestamp": "2020-01-01T00:00:00Z"})
    assert [row["field"] for row in await office.gateway.sql(blank, office.workspace)] == ["name"]
    await office.tell(identify("ann", name="Ann Miller"))
    assert not await office.gateway.sql(blank, office.workspace)
