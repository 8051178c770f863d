"""People of a file on their way: what becomes of each row, and what never leaves it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.alias import AliasKind
from domain.consent import Purpose, State
from domain.outcome import Outcome
from gateway.people import importer as module
from gateway.people.importer import Brought, Importer, Terms, open_importer
from gateway.people.rows import read_rows
from gateway.settings import Settings
from privacy.pseudonym import aliases_for
from tests.fixtures.gateway import Gateway, event
from tests.fixtures.office import Office
from tests.patience import AT_ALL

FUNCTIONAL = {Purpose.FUNCTIONAL: State.GRANTED, Purpose.PERSONALIZATION: State.GRANTED}
CONTRACT = Terms("crm", declared=FUNCTIONAL, basis="contract")
HEADER = "user_id,email,name,birth_date,postcode,plan\n"
ANN = "u1,ann.canary@example.com,Ann-Marie Mullercanary,1980-02-29,70173,gold\n"
NEARLY_ANN = "u2,anne.canary@example.com,Ann-Marie Muellercanary,1980-02-29,70173,tin\n"

Bring = Callable[..., Awaitable[Brought]]


@pytest.fixture
async def importer(gateway_settings: Settings) -> AsyncIterator[Importer]:
    async with open_importer(gateway_settings) as opened:
        yield opened


@pytest.fixture
def bring(gateway: Gateway, importer: Importer, tmp_path: Path) -> Bring:
    """Bring a text in as a file."""

    async def bring(text: str, terms: Terms = CONTRACT, name: str = "people.csv") -> Brought:
        path = tmp_path / name
        path.write_text(text)
        return await importer.run(gateway.tenant.workspace, read_rows(path), terms, lambda *_: None)

    return bring


async def rule(gateway: Gateway, **rules: Any) -> None:
    settings = msgspec.json.encode({"identity": rules}).decode()
    await gateway.sql("UPDATE workspace SET settings = $1 WHERE id = $2", settings, gateway.tenant.workspace)


async def test_a_row_is_an_identify_event_of_its_source_and_time_and_nothing_of_it_is_plain(
    gateway: Gateway, bring: Bring
) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    brought = await bring(HEADER + ANN, msgspec.structs.replace(CONTRACT, at=at))
    assert (brought.outcomes, brought.problems) == ({Outcome.ACCEPTED: 1}, [])
    (logged,) = await gateway.logged()
    assert (logged.type, logged.at, logged.context["library"]) == ("identify", at, {"name": "crm"})
    assert {alias.kind.value for alias in logged.aliases} == {"user_id", "email"}
    assert logged.traits == {"plan": "gold"}
    assert {"traits.email", "traits.name", "traits.birthday", "traits.address"} <= logged.sealed.keys()
    assert b"canary" not in b"".join(await gateway.log_values())
    assert logged.purposes == (Purpose.FUNCTIONAL, Purpose.PERSONALIZATION)


async def test_the_ledger_names_the_basis_that_was_answered_for(gateway: Gateway, bring: Bring) -> None:
    await bring(HEADER + ANN)
    rows = await gateway.sql("SELECT leaf FROM consent_record WHERE workspace_id = $1", gateway.tenant.workspace)
    records = [msgspec.json.decode(row["leaf"]) for row in rows]
    assert {(each["source"], each["basis"], each["purpose"]) for each in records} == {
        ("declared", "contract", "functional"),
        ("declared", "contract", "personalization"),
    }


async def test_someone_may_be_known_by_an_address_or_a_card_alone(gateway: Gateway, bring: Bring) -> None:
    brought = await bring("email,loyalty_id,plan\nann@example.com,,gold\n,L-1,tin\n,,gold\n")
    assert brought.outcomes == {Outcome.ACCEPTED: 2, Outcome.INVALID: 1}
    assert [problem.line for problem in brought.problems] == [4]
    assert {each.aliases[0].kind.value for each in await gateway.logged()} == {"email", "loyalty_id"}


async def test_each_row_needs_consent_or_somebody_who_answers_for_it(gateway: Gateway, bring: Bring) -> None:
    text = "user_id,plan,name,consent.analytics,consent.functional\nu1,a,A,yes,\nu2,b,B,no,no\nu3,c,C,,\n"
    brought = await bring(text, Terms("crm"))
    assert brought.outcomes == {Outcome.ACCEPTED: 1, Outcome.DROPPED_CONSENT: 2}
    assert [(each.line, each.text.partition(":")[0]) for each in brought.problems] == [(4, "consent")]
    (logged,) = await gateway.logged()
    assert (logged.purposes, logged.traits, "traits.name" in logged.sealed) == (
        (Purpose.ANALYTICS,),
        {"plan": "a"},
        False,
    )
    # A row's refusal outweighs what is answered for.
    brought = await bring("user_id,plan,consent.functional,consent.personalization\nu4,a,no,no\n")
    assert brought.outcomes == {Outcome.DROPPED_CONSENT: 1}


async def test_who_has_refused_or_was_erased_stays_out(office: Office, bring: Bring) -> None:
    refusing = event("Consent Preference Updated", {"functional": False, "personalization": False}, userId="u1")
    await office.tell(event(userId="u1"), refusing, event(userId="u2"))
    await office.ask("ERASE", {"externalId": "u2"})
    before = len(await office.gateway.logged())
    brought = await bring("user_id,plan\nu1,gold\nu2,gold\n")
    assert brought.outcomes == {Outcome.DROPPED_CONSENT: 1, Outcome.DROPPED_SUPPRESSED: 1}
    assert len(await office.gateway.logged()) == before


async def test_a_second_run_repeats_nothing_and_a_stopped_one_goes_on(
    office: Office, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 10)
    rows = [f"u{number},gold\n" for number in range(35)]
    first = await bring("user_id,plan\n" + "".join(rows[:20]))
    assert first.outcomes == {Outcome.ACCEPTED: 20}
    await built(office)
    again = await bring("user_id,plan\n" + "".join(rows))
    assert again.outcomes == {Outcome.DUPLICATE: 20, Outcome.ACCEPTED: 15}
    await built(office)
    assert (await bring("user_id,plan\n" + "".join(rows))).outcomes == {Outcome.DUPLICATE: 35}
    assert len([each for each in await office.gateway.logged() if each.message_id.startswith("import-")]) == 35
    assert (await office.person(externalId="u1"))["counters"] == {"identify": 1}


async def built(office: Office) -> None:
    """Wait until all that is on the log is built."""
    ids = [each.message_id for each in await office.gateway.logged()]
    async with asyncio.timeout(AT_ALL):
        while len(await office._seen(ids)) < len(ids):
            await asyncio.sleep(0.02)


async def test_mistakes_are_told_by_line_and_field(bring: Bring, gateway: Gateway) -> None:
    text = "user_id,age,timestamp\nu1,secret,\nu2,7.5,\nu3,,secret\nu4,7,2026-01-01T00:00:00Z\nu5,7,,secret\n"
    brought = await bring(text)
    assert [(each.line, each.text) for each in brought.problems] == [
        (2, "traits.age: must be integer"),
        (4, "timestamp: not a date and time of ISO 8601 since 1970"),
        (6, "more fields than the first line names"),
        (3, "traits.age: must be integer"),
    ]
    (logged,) = await gateway.logged()
    assert logged.at == datetime(2026, 1, 1, tzinfo=UTC)


async def test_rows_that_are_alike_wait_for_review(gateway: Gateway, bring: Bring) -> None:
    bob = "u3,bob@example.com,Bob Jones,1980-02-29,70173,gold\n"
    assert (await bring(HEADER + ANN + NEARLY_ANN + bob)).alike == []
    await rule(gateway, matching=True)
    compared = await bring(HEADER + ANN + NEARLY_ANN + bob, msgspec.structs.replace(CONTRACT, compare=True))
    assert [(each.line, each.other_line) for each in compared.alike] == [(2, 3)]
    stored = "SELECT status, score, subject_id, other_subject_id FROM match_candidate WHERE workspace_id = $1"
    (row,) = await gateway.sql(stored, gateway.tenant.workspace)
    assert row["status"] == "open"
    assert 0.9 < row["score"] < 1
    keys = (await gateway.resources.workspaces.get(gateway.tenant.workspace)).keys
    alike = {alias for user in ("u1", "u2") for alias in aliases_for(AliasKind.USER_ID, user, keys)}
    subjects = {each.subject for each in await gateway.logged() if each.aliases[0] in alike}
    assert {row["subject_id"], row["other_subject_id"]} == subjects
    await gateway.sql(
        "UPDATE match_candidate SET status = 'rejected' WHERE workspace_id = $1", gateway.tenant.workspace
    )
    assert (await bring(HEADER + ANN + NEARLY_ANN, msgspec.structs.replace(CONTRACT, compare=True))).alike == []


async def test_who_objects_is_not_put_up(gateway: Gateway, bring: Bring) -> None:
    await bring(HEADER + ANN)
    await gateway.sql(
        """
        INSERT INTO profile (workspace_id, id, version, traits, counters, first_seen_at, last_seen_at, objected_at)
        SELECT workspace_id, profile_id, 1, '{}', '{}', now(), now(), now() FROM subject WHERE workspace_id = $1
        """,
        gateway.tenant.workspace,
    )
    assert (await bring(HEADER + ANN + NEARLY_ANN, msgspec.structs.replace(CONTRACT, compare=True))).alike == []


async def test_names_that_may_not_be_used_are_not_compared(bring: Bring) -> None:
    analytics = Terms("crm", declared={Purpose.ANALYTICS: State.GRANTED}, basis="contract", compare=True)
    brought = await bring(HEADER + ANN + NEARLY_ANN, analytics)
    assert (brought.outcomes, brought.alike) == ({Outcome.ACCEPTED: 2}, [])
    assert brought.left_out["traits.name", "no_purpose"] == 2  # type: ignore[index]  # a reason is its word
