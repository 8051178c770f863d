from typing import Any
from uuid import uuid4

import msgspec
import pytest

from domain.clock import utc_now
from domain.consent import Purpose
from domain.key import Scope
from privacy.ledger.checkpoint import Signer, read_checkpoint
from privacy.ledger.proof import check_proof, read_proof
from stores.ledger.heads import sign_head
from tests.fixtures.gateway import event
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import Seeds

_SET = """mutation ($input: SetConsentInput!) { setConsent(input: $input) {
    __typename
    ... on ConsentPayload { clientMutationId heldBack consent {
        purposes { purpose state source at seq askAgainAt }
        records { seq purpose state basis source planVersion policyVersion }
    } }
    ... on Problem { code path }
} }"""
_ASK = """query ($by: ProfileBy) { consent(by: $by) {
    purposes { purpose state source seq askAgainAt } records(first: 3) { seq state }
} }"""
_SILENT: dict[str, bool] = {}


def choices(state: str, *purposes: str) -> list[dict[str, str]]:
    return [{"purpose": purpose.upper(), "state": state} for purpose in purposes or ("analytics", "personalization")]


async def set_consent(api: Api, **input_: Any) -> Any:
    return (await api.data(_SET, input=input_))["setConsent"]


def states(standing: Any) -> dict[str, str]:
    return {each["purpose"]: each["state"] for each in standing["purposes"] if each["state"]}


async def test_giving_and_taking_back_are_the_same_step(api: Api, seeds: Seeds) -> None:
    await seeds.profile(user_id="ann")
    by = {"externalId": "ann"}
    given = await set_consent(api, by=by, purposes=choices("GRANTED"), source="preference_centre", policyVersion="7")
    assert states(given["consent"]) == {"ANALYTICS": "GRANTED", "PERSONALIZATION": "GRANTED"}
    taken = await set_consent(api, by=by, purposes=choices("DENIED"), clientMutationId="c")
    assert taken["clientMutationId"] == "c"
    assert states(taken["consent"]) == {"ANALYTICS": "WITHDRAWN", "PERSONALIZATION": "WITHDRAWN"}
    analytics = next(each for each in taken["consent"]["purposes"] if each["purpose"] == "ANALYTICS")
    assert analytics["askAgainAt"][:4] == str(int(analytics["at"][:4]) + 1)
    assert [each["state"] for each in taken["consent"]["records"]] == ["WITHDRAWN"] * 2 + ["GRANTED"] * 2
    assert taken["consent"]["records"][-1] == {
        "seq": 1,
        "purpose": "ANALYTICS",
        "state": "GRANTED",
        "basis": "consent",
        "source": "preference_centre",
        "planVersion": 1,
        "policyVersion": "7",
    }
    asked = (await api.data(_ASK, by=by))["consent"]
    assert states(asked) == states(taken["consent"])
    assert [each["seq"] for each in asked["records"]] == [4, 3, 2]
    assert len(asked["purposes"]) == 5


async def test_a_word_is_in_force_for_the_next_event(api: Api) -> None:
    gateway = api.gateway
    everything = ("functional", "analytics", "personalization", "advertising", "sale_or_share")
    assert [each["outcome"] for each in await gateway.batch(event(consent=_SILENT))] == ["dropped_consent"]
    by = {"anonymousId": "visitor-1"}
    await set_consent(api, by=by, purposes=choices("GRANTED", *everything))
    assert [each["outcome"] for each in await gateway.batch(event(consent=_SILENT))] == ["accepted"]
    await set_consent(api, by=by, purposes=choices("DENIED", *everything))
    assert [each["outcome"] for each in await gateway.batch(event())] == ["dropped_consent"]


async def test_a_no_of_somebody_unknown_is_honoured(api: Api) -> None:
    refused = await set_consent(api, by={"externalId": "new"}, purposes=choices("DENIED"))
    assert states(refused["consent"]) == {"ANALYTICS": "DENIED", "PERSONALIZATION": "DENIED"}
    headers = {"Authorization": f"Bearer {api.gateway.tenant.secret_key}"}
    _, answer = await api.gateway.post("/update_profile", {"customer_id": "new"}, headers=headers, key=None)
    (logged,) = await api.gateway.logged()
    assert answer["counts"] == {"accepted": 1}
    assert logged.purposes == (Purpose.FUNCTIONAL,)


async def test_visitors_speak_for_themselves_alone(api: Api, seeds: Seeds) -> None:
    await seeds.profile(anonymous_id="visitor-9")
    visitor = api.as_end_user("visitor-9")
    given = await set_consent(visitor, purposes=choices("GRANTED"))
    assert states(given["consent"]) == {"ANALYTICS": "GRANTED", "PERSONALIZATION": "GRANTED"}
    assert {each["source"] for each in given["consent"]["records"]} == {"self"}
    assert states((await visitor.data(_ASK))["consent"]) == states(given["consent"])
    code = await visitor.code(_SET, input={"by": {"anonymousId": "other"}, "purposes": choices("GRANTED")})
    assert code == "wrong_kind_of_key"
    assert await visitor.code("{ ledger { size } }") == "wrong_kind_of_key"


@pytest.mark.parametrize("scope", [Scope.PRIVACY_ADMIN, Scope.PROFILES_WRITE])
async def test_either_of_two_scopes_lets_a_key_speak(api: Api, seeds: Seeds, scope: Scope) -> None:
    await seeds.profile(user_id="ann")
    input_ = {"by": {"externalId": "ann"}, "purposes": choices("GRANTED")}
    assert (await set_consent(api.with_scopes([scope]), **input_))["__typename"] == "ConsentPayload"
    assert await api.with_scopes([Scope.PROFILES_READ]).code(_SET, input=input_) == "missing_scope"


async def test_wrong_input_is_told_by_place(api: Api) -> None:
    by = {"externalId": "ann"}
    for input_, path in (
        ({"purposes": []}, "purposes"),
        ({"purposes": choices("GRANTED", "analytics", "analytics")}, "purposes"),
        ({"purposes": choices("GRANTED", "necessary")}, "purposes"),
        ({"purposes": choices("GRANTED"), "source": "Somebody <a@shop.example>"}, "source"),
        ({"purposes": choices("GRANTED"), "source": "gpc"}, "source"),
        ({"purposes": choices("GRANTED"), "policyVersion": "x" * 101}, "policyVersion"),
    ):
        told = await set_consent(api, by=by, **input_)
        assert (told["__typename"], told["path"]) == ("InvalidInput", ["input", path])
    nobody = (await api.data('{ profile(by: {externalId: "x"}) { id } }'))["profile"]
    assert nobody is None
    assert (await api.data(_ASK, by=by))["consent"] is None


async def test_the_erased_stay_forgotten(api: Api, seeds: Seeds) -> None:
    await api.gateway.batch(event(userId="u1"))
    (logged,) = await api.gateway.logged()
    alias = logged.aliases[0]
    workspace = api.gateway.tenant.workspace
    await seeds.connection.execute(
        "INSERT INTO suppression VALUES ($1, $2, $3, $4, 'erasure', now())",
        *(workspace, alias.kind, alias.version, alias.index),
    )
    await seeds.connection.execute("DELETE FROM subject WHERE workspace_id = $1", workspace)
    told = await set_consent(api, by={"externalId": "u1"}, purposes=choices("GRANTED"))
    assert (told["__typename"], told["code"]) == ("NotFound", "not_found")


async def opt_out_by_browser(api: Api) -> None:
    """Send Global Privacy Control as a browser does."""
    await api.gateway.batch(event(anonymousId="visitor-9"), headers={"Sec-GPC": "1"})


_SALE = ("advertising", "sale_or_share")


async def test_a_key_alone_does_not_end_privacy_control(api: Api) -> None:
    """Nor by refusing first, so that the last word is no longer that of the signal."""
    await opt_out_by_browser(api)
    by = {"anonymousId": "visitor-9"}
    for state in ("GRANTED", "DENIED", "GRANTED"):
        said = await set_consent(api, by=by, purposes=choices(state, "analytics", *_SALE), source="import")
        expected = [purpose.upper() for purpose in _SALE] if state == "GRANTED" else []
        assert said["heldBack"] == expected
        standing = states(said["consent"])
        assert standing["ANALYTICS"] == ("GRANTED" if state == "GRANTED" else "WITHDRAWN")
        assert {standing[purpose.upper()] for purpose in _SALE} == {"DENIED"}
    assert [each["outcome"] for each in await api.gateway.batch(event(anonymousId="visitor-9"))] == ["accepted"]
    assert Purpose.ADVERTISING not in (await api.gateway.logged())[-1].purposes


async def test_a_key_that_answers_for_the_person_s_own_choice_ends_it(api: Api) -> None:
    await opt_out_by_browser(api)
    by, words = {"anonymousId": "visitor-9"}, choices("GRANTED", *_SALE)
    said = await set_consent(api, by=by, purposes=words, source="preference_centre", ownChoice=True)
    assert said["heldBack"] == []
    assert set(states(said["consent"]).values()) == {"GRANTED"}
    assert said["consent"]["records"][0]["source"] == "preference_centre"
    later = await set_consent(api, by=by, purposes=words)
    assert later["heldBack"] == [], "it has ended"


async def test_visitors_end_privacy_control_themselves_until_it_comes_again(api: Api) -> None:
    await opt_out_by_browser(api)
    visitor = api.as_end_user("visitor-9")
    said = await set_consent(visitor, purposes=choices("GRANTED", *_SALE))
    assert (said["heldBack"], set(states(said["consent"]).values())) == ([], {"GRANTED"})
    await opt_out_by_browser(api)
    assert set(states((await visitor.data(_ASK))["consent"]).values()) == {"WITHDRAWN"}
    said = await set_consent(api, by={"anonymousId": "visitor-9"}, purposes=choices("GRANTED", "advertising"))
    assert said["heldBack"] == ["ADVERTISING"]


async def test_an_event_names_its_records_and_proves_them(api: Api, seeds: Seeds) -> None:
    gateway = api.gateway
    await gateway.batch(event(messageId="m-1"))
    (logged,) = await gateway.logged()
    await seeds.event(logged.subject, utc_now(), "m-2")
    await seeds.connection.execute(
        "UPDATE event SET purposes = $1, proofs = $2 WHERE message_id = 'm-2' AND workspace_id = $3",
        *(list(logged.purposes), list(logged.proofs), gateway.tenant.workspace),
    )
    ask = '{ profile(by: {anonymousId: "visitor-1"}) { events { edges { node { purposes consentRecords } } } } }'
    await seeds.connection.execute(
        "INSERT INTO profile (workspace_id, id, first_seen_at, last_seen_at) VALUES ($1, $2, now(), now())",
        *(gateway.tenant.workspace, logged.subject),
    )
    (edge,) = (await api.data(ask))["profile"]["events"]["edges"]
    assert edge["node"]["consentRecords"] == list(logged.proofs)
    assert await api.with_scopes([Scope.PROFILES_READ, Scope.EVENTS_READ]).code(ask) == "missing_scope"

    proof = (await api.data('{ consentProof(messageId: "m-2") }'))["consentProof"]
    ledger = (await api.data("{ ledger { size head publicKey } }"))["ledger"]
    (finding,) = check_proof(read_proof(msgspec.json.encode(proof)), ledger["publicKey"])
    assert (finding.message_id, finding.problem) == ("m-2", None)
    assert read_checkpoint(ledger["head"], ledger["publicKey"]).size == ledger["size"]
    assert (await api.data('{ consentProof(messageId: "none") }'))["consentProof"] is None


async def test_anyone_may_fetch_the_signed_head(api: Api) -> None:
    gateway = api.gateway
    url = f"{gateway.url}/.well-known/tagway/ledger/"
    async with gateway.http.get(url + str(gateway.tenant.workspace)) as response:
        assert response.status == 200
        assert (await response.json())["head"] is None
    await gateway.batch(event())
    assert api.caller
    signer = Signer(gateway.tenant.workspace, api.caller.keys.signing_key("ledger"))
    async with gateway.resources.database.workspace(signer_workspace := gateway.tenant.workspace) as connection:
        note = await sign_head(connection, signer_workspace, signer, utc_now())
    async with gateway.http.get(url + str(gateway.tenant.workspace)) as response:
        answer = await response.json()
    assert (answer["head"], answer["publicKey"]) == (note, signer.public_key)
    for unknown in (str(uuid4()), "nothing"):
        async with gateway.http.get(url + unknown) as response:
            assert response.status == 404
