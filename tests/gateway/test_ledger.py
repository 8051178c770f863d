"""Every accepted event rests on a record, whichever way its consent came."""

import asyncio
import random
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from domain.clock import utc_now
from domain.consent import Consent, Purpose, State
from domain.event import ProtectedEvent
from privacy.ledger.checkpoint import Signer
from privacy.ledger.proof import Evidence, Finding, Proof, check_proof, encode_proof, read_proof, signed
from privacy.ledger.record import LINKED, Record, read_record
from privacy.ledger.standing import Comparison
from stores.consents import Statement, store_consents
from stores.ledger.heads import sign_head
from stores.ledger.proofs import read_grants
from stores.ledger.records import MOST_CLAIMS
from stores.ledger.standing import ledger_begun, list_subjects, read_opened, read_stored
from stores.postgres import Database
from stores.repeats import MOST_RECORDS
from tests.fixtures.gateway import Gateway, event

YES = {"functional": True, "analytics": True, "personalization": True}
NO = {"functional": False, "analytics": False, "personalization": False}
SILENT: dict[str, bool] = {}


def message(consent: dict[str, bool], **fields: Any) -> dict[str, Any]:
    return event("Consent Preference Updated", consent, **fields)


async def records(gateway: Gateway) -> list[Record]:
    rows = await gateway.sql(
        "SELECT leaf FROM consent_record WHERE workspace_id = $1 ORDER BY seq", gateway.tenant.workspace
    )
    return [read_record(row["leaf"]) for row in rows]


async def prove(gateway: Gateway, events: list[ProtectedEvent]) -> list[Finding]:
    """Prove events as they lie on the log, through JSON and without the store."""
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    signer = Signer(workspace.id, workspace.keys.signing_key("ledger"))
    seqs = sorted({seq for each in events for seq in each.proofs})
    async with gateway.resources.database.workspace(workspace.id) as connection:
        note = await sign_head(connection, workspace.id, signer, utc_now())
        size = await connection.fetchval("SELECT size FROM ledger_head WHERE workspace_id = $1", workspace.id)
        grants = await read_grants(connection, workspace.id, seqs, size)
    evidence = tuple(
        signed(
            Evidence(
                each.message_id, each.subject, each.received_at, each.purposes, tuple(map(grants.get, each.proofs))
            ),
            signer,
        )
        for each in events
    )
    proof = Proof(public_key=signer.public_key, checkpoint=note, events=evidence)
    return check_proof(read_proof(encode_proof(proof)), signer.public_key)


async def assert_proven(gateway: Gateway) -> list[ProtectedEvent]:
    """Prove everything that was accepted but the messages themselves, which are necessary."""
    events = [each for each in await gateway.logged() if each.purposes != (Purpose.NECESSARY,)]
    problems = {finding.message_id: finding.problem for finding in await prove(gateway, events) if finding.problem}
    assert problems == {}
    return events


def seconds(many: int, minutes: int) -> list[str]:
    """Give as many times, a second apart, from minutes ago on."""
    begin = utc_now() - timedelta(minutes=minutes)
    return [(begin + timedelta(seconds=number)).isoformat() for number in range(many)]


async def stored(gateway: Gateway) -> list[Any]:
    """Give the words in force."""
    return await gateway.sql("SELECT * FROM consent WHERE workspace_id = $1", gateway.tenant.workspace)


async def assert_intact(gateway: Gateway) -> None:
    """Hold the words in force to the records."""
    workspace = gateway.tenant.workspace
    async with gateway.resources.database.workspace(workspace) as connection:
        people = await list_subjects(connection, workspace, UUID(int=0), 1_000)
        comparison = Comparison(await ledger_begun(connection, workspace))
        comparison.take(
            await read_stored(connection, workspace, people), await read_opened(connection, workspace, people)
        )
    assert comparison.compared


async def test_a_claim_is_recorded_once_and_carries_every_later_event(gateway: Gateway) -> None:
    await gateway.batch(event(consent=YES), event(consent=YES))
    await gateway.batch(event(consent=YES), event("search", YES))
    events = await assert_proven(gateway)
    assert len(events) == 4
    assert len({each.proofs for each in events}) == 1
    found = await records(gateway)
    assert [each.seq for each in found] == list(range(1, len(found) + 1))
    assert {(each.state, each.source, each.basis) for each in found} == {
        (State.GRANTED, "category_preferences", "consent")
    }
    await gateway.batch(event(consent={**YES, "functional": False}))
    events = await assert_proven(gateway)
    assert set(events[-1].proofs).isdisjoint(events[0].proofs)


async def test_a_person_s_claims_of_a_day_are_bounded(gateway: Gateway) -> None:
    """Anyone has the write key: a new signal with every event must not grow the ledger with every event."""
    for start in range(0, 120, 20):
        told = await gateway.batch(*(event(consent={**YES, f"x{start + more}": True}) for more in range(20)))
        assert {each["outcome"] for each in told} == {"accepted"}
    await gateway.batch(*(event(consent={**YES, f"y{number}": True}, anonymousId="other") for number in range(50)))
    assert len(await assert_proven(gateway)) == 170
    purposes = {purpose for each in await gateway.logged() for purpose in each.purposes}
    assert len(await records(gateway)) == 2 * MOST_CLAIMS * len(purposes)
    await gateway.sql(
        "UPDATE consent_evidence SET at = at - interval '1 day' WHERE workspace_id = $1", gateway.tenant.workspace
    )
    await gateway.batch(event(consent={**YES, "z": True}))
    assert len(await records(gateway)) == (2 * MOST_CLAIMS + 1) * len(purposes)
    await assert_proven(gateway)


async def test_a_word_that_is_repeated_is_counted_and_rests_on_its_record(gateway: Gateway) -> None:
    """A client that sends the same consent every second must not grow the ledger every second."""
    for minutes in (3, 2, 1):
        await gateway.batch(*(message(YES, timestamp=at) for at in seconds(20, minutes)), event(consent=SILENT))
    assert len(await records(gateway)) == len(YES)
    assert len(await assert_proven(gateway)) == 3
    assert {row["repeats"] for row in await stored(gateway)} == {59}
    await assert_intact(gateway)
    await gateway.batch(message(NO), message(NO))
    await gateway.batch(message(NO))
    assert [each.state for each in await records(gateway)][len(YES) :] == [State.WITHDRAWN] * len(YES)
    assert {row["repeats"] for row in await stored(gateway)} == {2}
    await assert_intact(gateway)
    await gateway.batch(message(YES))
    assert len(await records(gateway)) == 3 * len(YES)


async def test_a_refusal_that_was_repeated_stands_against_an_older_grant(gateway: Gateway) -> None:
    await gateway.batch(message(NO))
    between = utc_now().isoformat()
    await gateway.batch(message(NO))
    await gateway.batch(message(YES, timestamp=between))
    assert {row["state"] for row in await stored(gateway)} == {State.DENIED}
    (told,) = await gateway.batch(event(consent=YES))
    assert told["outcome"] == "dropped_consent"
    await assert_intact(gateway)


async def test_the_same_word_a_day_later_is_a_record_of_its_own(gateway: Gateway) -> None:
    await gateway.batch(message(YES))
    for days in (0.9, 1.1):
        subject = (await stored(gateway))[0]["subject_id"]
        later = Consent(Purpose.ANALYTICS, State.GRANTED, "message", utc_now() + timedelta(days=days))
        rows = await gateway.sql("SELECT signal FROM consent_opening WHERE subject_id = $1", subject)
        workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
        async with gateway.resources.database.workspace(workspace.id) as connection:
            said = [Statement(subject, later, rows[0]["signal"])]
            await store_consents(connection, workspace.id, said, plan=workspace.plan_version)
        assert len(await records(gateway)) == len(YES) + (days > 1)
        await assert_intact(gateway)


async def test_one_answer_s_records_of_a_day_are_bounded_whatever_comes_with_it(gateway: Gateway) -> None:
    for minutes in (4, 3, 2, 1):
        times = enumerate(seconds(15, minutes))
        await gateway.batch(*(message({**YES, f"{minutes}/{more}": True}, timestamp=at) for more, at in times))
    assert len(await records(gateway)) == MOST_RECORDS * len(YES)
    assert {row["repeats"] for row in await stored(gateway)} == {60 - MOST_RECORDS}
    await assert_intact(gateway)
    await gateway.batch(message(NO))
    assert {row["state"] for row in await stored(gateway)} == {State.WITHDRAWN}


async def test_privacy_control_is_recorded_at_once_and_its_repetitions_are_counted(gateway: Gateway) -> None:
    signal = {"Sec-GPC": "1"}
    await gateway.batch(message({**YES, "advertising": True}))
    before = len(await records(gateway))
    for _ in range(5):
        await gateway.batch(message(YES), event(consent=YES), headers=signal)
    found = (await records(gateway))[before:]
    by_signal = [each.state for each in found if each.source == "gpc"]
    assert sorted(by_signal) == [State.DENIED, State.WITHDRAWN]
    assert len(found) == 2 + len(YES)
    await assert_intact(gateway)


async def test_what_a_person_said_stands_before_what_an_event_claims(gateway: Gateway) -> None:
    await gateway.batch(message(YES))
    said = {each.purpose: each.seq for each in await records(gateway)}
    await gateway.batch(event(consent=YES))
    (accepted,) = await assert_proven(gateway)
    assert accepted.proofs == tuple(said[purpose] for purpose in accepted.purposes)
    assert len(await records(gateway)) == len(said)


async def test_a_word_carries_the_next_event_of_its_own_batch(gateway: Gateway) -> None:
    """Each word of a batch is recorded, also one that the same batch takes back."""
    await gateway.batch(
        message(YES, timestamp="2026-05-01T12:00:00Z"),
        event(consent=SILENT, messageId="first"),
        message(NO, timestamp="2026-05-01T12:01:00Z"),
        message(YES, timestamp="2026-05-01T12:02:00Z"),
        event(consent=SILENT, messageId="second"),
    )
    first, second = await assert_proven(gateway)
    states = [each.state for each in await records(gateway)]
    assert states == [State.GRANTED] * 3 + [State.WITHDRAWN] * 3 + [State.GRANTED] * 3
    assert set(first.proofs) <= {1, 2, 3}
    assert set(second.proofs) <= {7, 8, 9}


async def test_withdrawal_by_the_tag_s_message_is_recorded_as_withdrawn(gateway: Gateway) -> None:
    """The message that the tag sends when `tagway.consent.withdraw()` is called: every purpose false."""
    await gateway.batch(message(YES))
    everything = dict.fromkeys(("functional", "analytics", "personalization", "advertising", "sale_or_share"), False)
    await gateway.batch(message(everything))
    found = await records(gateway)
    withdrawn = {each.purpose for each in found if each.state is State.WITHDRAWN}
    assert withdrawn == {Purpose.FUNCTIONAL, Purpose.ANALYTICS, Purpose.PERSONALIZATION}
    rows = await gateway.sql("SELECT seq, state FROM consent WHERE workspace_id = $1", gateway.tenant.workspace)
    by_seq = {each.seq: each.state for each in found}
    assert rows
    assert all(by_seq[row["seq"]] == row["state"] for row in rows)


async def test_a_word_given_under_another_identifier_is_linked(gateway: Gateway) -> None:
    await gateway.batch(message(YES, anonymousId="visitor-1"))
    await gateway.batch(event(anonymousId="visitor-1", userId="u1", consent=SILENT))
    await gateway.batch(event(anonymousId="visitor-1", userId="u1", consent=SILENT))
    first, second = await assert_proven(gateway)
    assert first.proofs == second.proofs
    linked = [each for each in await records(gateway) if each.source == LINKED]
    assert {each.seq for each in linked} == set(first.proofs)


async def test_what_was_granted_before_the_ledger_is_recorded_when_it_is_used(gateway: Gateway) -> None:
    await gateway.batch(message(YES))
    await gateway.sql("UPDATE consent SET seq = NULL WHERE workspace_id = $1", gateway.tenant.workspace)
    await _forget(gateway)
    await gateway.batch(event(consent=SILENT))
    (accepted,) = await assert_proven(gateway)
    assert min(accepted.proofs) > 3


async def test_what_operators_declare_is_recorded_as_theirs(gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {gateway.tenant.secret_key}"}
    body = {"customer_id": "12345", "demographic_data": {"age": 35}}
    status, answer = await gateway.post("/update_profile", body, headers=headers, key=None)
    assert status == 200, answer
    await assert_proven(gateway)
    assert {(each.source, each.basis) for each in await records(gateway)} == {("declared", "declared")}


async def test_an_edited_event_is_not_proven(gateway: Gateway) -> None:
    await gateway.batch(event(consent=YES))
    (accepted,) = await gateway.logged()
    more = msgspec.structs.replace(accepted, purposes=(*accepted.purposes, Purpose.ADVERTISING))
    swapped = msgspec.structs.replace(accepted, purposes=(Purpose.ADVERTISING, *accepted.purposes[1:]))
    other = msgspec.structs.replace(accepted, subject=uuid4())
    findings = await prove(gateway, [accepted, more, swapped, other])
    assert findings[0].problem is None
    assert all(finding.problem for finding in findings[1:])


async def test_a_thousand_events_are_proven_without_the_store(gateway: Gateway) -> None:
    """Random people, claims and words, over requests that run side by side."""
    chance = random.Random(7)
    names = ("functional", "analytics", "personalization", "advertising")

    def make() -> dict[str, Any]:
        consent = {name: chance.random() < 0.8 for name in names}
        person = {"anonymousId": f"visitor-{chance.randrange(60)}"}
        if chance.random() < 0.3:
            person["userId"] = f"user-{chance.randrange(30)}"
        made = message(consent, **person) if chance.random() < 0.1 else event("search", consent, **person)
        return {**made, "context": {}} if chance.random() < 0.1 else made

    batches = [[make() for _ in range(20)] for _ in range(80)]
    for start in range(0, len(batches), 8):
        await asyncio.gather(*(gateway.batch(*batch) for batch in batches[start : start + 8]))
    events = await assert_proven(gateway)
    assert len(events) >= 1_000
    found = await records(gateway)
    assert [each.seq for each in found] == list(range(1, len(found) + 1))


async def test_gateways_that_append_at_once_make_one_ledger(gateway: Gateway) -> None:
    """No gap, no fork, and the same claim is recorded once, whoever was first."""
    url, workspace = gateway.database_url, gateway.tenant.workspace
    await gateway.batch(*(event(consent=YES, anonymousId=f"browser {number}") for number in range(60)))
    people = [each.subject for each in await gateway.logged()]
    databases = [await Database.open(url, role="app", max_size=4) for _ in range(2)]

    async def append(number: int) -> list[int]:
        database = databases[number % 2]
        consents = [
            Consent(Purpose.ANALYTICS, state, "test", utc_now())
            for state in (State.GRANTED, State.DENIED, State.GRANTED)
        ]
        async with database.workspace(workspace) as connection:
            said = [Statement(people[number], consent) for consent in consents]
            return await store_consents(connection, workspace, said)

    before = len(await records(gateway))
    try:
        seqs = await asyncio.gather(*(append(number) for number in range(60)))
    finally:
        for database in databases:
            await database.close()
    assert sorted(seq for each in seqs for seq in each) == list(range(before + 1, before + 181))
    assert all(each == list(range(each[0], each[0] + 3)) for each in seqs)
    await assert_proven(gateway)


async def test_erasing_a_person_leaves_every_other_proof_valid(gateway: Gateway) -> None:
    await gateway.batch(*(event(anonymousId=f"visitor-{number}", consent=YES) for number in range(5)))
    events = await assert_proven(gateway)
    gone = events[2]
    await gateway.sql("DELETE FROM subject WHERE id = $1", gone.subject)
    findings = await prove(gateway, events)
    assert [finding.problem is None for finding in findings] == [True, True, False, True, True]
    for table in ("consent_opening", "consent_evidence", "consent", "alias"):
        assert await gateway.sql(f"SELECT FROM {table} WHERE subject_id = $1", gone.subject) == []


async def _forget(gateway: Gateway) -> None:
    redis = gateway.resources.redis
    async for name in redis.scan_iter(f"tagway:subject:{gateway.tenant.workspace}:*"):
        await redis.delete(name)
