"""Raw signals and Global Privacy Control, through the routes that stock clients use."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from domain.consent import Purpose
from tests.fixtures.gateway import GRANTED, Gateway, event
from tests.privacy.signals import writing as w
from tests.privacy.signals.vectors import GPP, TCF

EVERYTHING = {**GRANTED, "sale_or_share": True}
GPC = {"Sec-GPC": "1"}
TC = w.tc_string(consents=range(1, 12), made=datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
CONTROLLED = GPP["valid"][1]["string"]


def signal(consent: dict[str, Any] | None = None, **context: Any) -> dict[str, Any]:
    """Make an event that says nothing of consent but this."""
    told = {} if consent is None else {"consent": consent}
    return {**event(messageId=f"m-{uuid4()}"), "context": {**told, **context}}


def message(consent: dict[str, bool], **fields: Any) -> dict[str, Any]:
    return event("Consent Preference Updated", consent, **fields)


async def granted(gateway: Gateway, sent: dict[str, Any], **keywords: Any) -> set[Purpose] | None:
    """Tell which purposes an event was kept for; None when it was dropped."""
    (result,) = await gateway.batch(sent, **keywords)
    if result["outcome"] != "accepted":
        assert result["outcome"] == "dropped_consent"
        return None
    (logged,) = [each for each in await gateway.logged() if each.message_id == result["message_id"]]
    return set(logged.purposes)


async def control(gateway: Gateway) -> list[tuple[str, str, datetime, datetime]]:
    rows = await gateway.sql(
        "SELECT purpose, state, at, since FROM consent WHERE workspace_id = $1 AND source = 'gpc' ORDER BY purpose",
        gateway.tenant.workspace,
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize(
    "sent",
    [
        signal({"tcString": TC}),
        signal(tcString=TC),
        signal(gdpr_consent=TC),
        signal({"gppString": f"{w.gpp_header(2)}~{TC}", "gppSid": [2]}),
        signal(gpp=f"{w.gpp_header(2)}~{TC}", gpp_sid=[2]),
        signal({"consentMode": {"analytics_storage": "granted"}}),
        signal({"oneTrustGroups": ",C0001,C0002,"}),
        signal(consentManagement={"allowedConsentIds": ["C0002"], "deniedConsentIds": []}),
    ],
)
async def test_every_signal_can_grant(gateway: Gateway, sent: dict[str, Any]) -> None:
    assert Purpose.ANALYTICS in (await granted(gateway, sent) or ())


@pytest.mark.parametrize("vector", TCF["malformed"][:9], ids=lambda vector: vector["name"])
async def test_an_unreadable_string_refuses_what_the_page_claims(gateway: Gateway, vector: dict[str, Any]) -> None:
    sent = event(context={"tcString": vector["string"]})
    (result,) = await gateway.batch(sent)
    assert result["outcome"] == "dropped_consent"
    assert result["message"].startswith("context.tcString: ")
    assert vector["string"].strip() not in result["message"] or not vector["string"]


async def test_what_could_not_be_read_is_counted_by_reason(gateway: Gateway) -> None:
    await gateway.batch(event(context={"gpp": "null"}))
    figures = gateway.resources.metrics.expose().decode()
    line = 'tagway_signals_refused_total{reason="does not begin with its core",source="gpp"}'
    assert line in figures


async def test_a_readable_string_is_held_against_what_the_page_claims(gateway: Gateway) -> None:
    only_statistics = w.tc_string(consents=[1, 8, 9], made=datetime.now(UTC).replace(hour=0))
    kept = await granted(gateway, event(consent=EVERYTHING, context={"tcString": only_statistics}))
    assert kept == {Purpose.ANALYTICS}


async def test_words_that_look_alike_are_not_taken_for_the_same(gateway: Gateway) -> None:
    claims: list[Any] = [True, 1, False, True, 1.0, "true", True]
    events = [
        event(anonymousId=f"v{place}", consent={"analytics": claim, "functional": claim, "personalization": claim})
        for place, claim in enumerate(claims)
    ]
    outcomes = [result["outcome"] for result in await gateway.batch(*events)]
    assert outcomes == ["accepted" if claim is True else "dropped_consent" for claim in claims]


async def test_raw_signals_are_kept_nowhere(gateway: Gateway) -> None:
    sent = event(context={"tcString": TC, "gpp": f"{w.gpp_header(6)}~1YNN", "gpp_sid": [6], "us_privacy": "1YNN"})
    (result,) = await gateway.batch(sent)
    assert result["outcome"] == "accepted"
    assert not [name for name in result.get("dropped", []) if name.startswith("context.")]
    stored = b"".join(await gateway.log_values())
    for raw in (TC, "1YNN", w.gpp_header(6)):
        assert raw.encode() not in stored


async def test_privacy_control_stays_in_force_for_someone_unknown_until_then(gateway: Gateway) -> None:
    assert await granted(gateway, signal(), headers=GPC) is None
    kinds = await gateway.sql("SELECT kind FROM alias WHERE workspace_id = $1", gateway.tenant.workspace)
    assert [row["kind"] for row in kinds] == ["anonymous_id"]
    assert [(purpose, state) for purpose, state, _, _ in await control(gateway)] == [
        ("advertising", "denied"),
        ("sale_or_share", "denied"),
    ]
    kept = await granted(gateway, event(consent=EVERYTHING))
    assert kept
    assert not {Purpose.ADVERTISING, Purpose.SALE_OR_SHARE} & kept


@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        (event(consent=EVERYTHING), GPC),
        (event(consent=EVERYTHING, context={"gpc": True}), {}),
        (signal({"categoryPreferences": EVERYTHING, "gpc": True}), {}),
        (event(consent=EVERYTHING, context={"gpp": CONTROLLED}), {}),
    ],
)
async def test_privacy_control_is_heard_however_it_arrives(
    gateway: Gateway, sent: dict[str, Any], headers: dict[str, str]
) -> None:
    for each, more in ((sent, headers), (event(consent=EVERYTHING), {})):
        kept = await granted(gateway, each, headers=more)
        assert kept
        assert Purpose.ADVERTISING not in kept
    assert len(await control(gateway)) == 2


async def test_privacy_control_holds_for_the_whole_batch_it_came_in(gateway: Gateway) -> None:
    await gateway.batch(event(consent=EVERYTHING, messageId="before"), event(context={"gpc": True}))
    (before,) = [each for each in await gateway.logged() if each.message_id == "before"]
    assert Purpose.ADVERTISING not in before.purposes


async def test_privacy_control_of_a_browser_is_that_of_the_known_person_too(gateway: Gateway) -> None:
    await gateway.batch(event(anonymousId="phone-visitor", userId="u1"), headers=GPC)
    for elsewhere in ({"anonymousId": "laptop-visitor", "userId": "u1"}, {"anonymousId": "phone-visitor"}):
        kept = await granted(gateway, event(consent=EVERYTHING, **elsewhere))
        assert kept
        assert Purpose.ADVERTISING not in kept
    assert Purpose.ADVERTISING in (
        await granted(gateway, event(consent=EVERYTHING, anonymousId="tablet-visitor")) or ()
    )


async def test_an_older_opt_in_never_wins(gateway: Gateway) -> None:
    await gateway.batch(message(EVERYTHING))
    await gateway.batch(signal(), headers=GPC)
    an_hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    await gateway.batch(message(EVERYTHING, timestamp=an_hour_ago))
    kept = await granted(gateway, event(consent=EVERYTHING))
    assert kept
    assert Purpose.ADVERTISING not in kept


async def test_an_opt_in_with_the_signal_is_none(gateway: Gateway) -> None:
    await gateway.batch(message(EVERYTHING), headers=GPC)
    await gateway.batch(message(EVERYTHING, context={"gpc": True}))
    await gateway.batch(signal({"gpc": True}), message(EVERYTHING))
    kept = await granted(gateway, event(consent=EVERYTHING))
    assert kept
    assert Purpose.ADVERTISING not in kept


async def test_a_later_opt_in_without_the_signal_ends_it_until_the_signal_comes_again(gateway: Gateway) -> None:
    await gateway.batch(signal(), headers=GPC)
    assert await granted(gateway, message(EVERYTHING)) == {Purpose.NECESSARY}
    assert await control(gateway) == []
    assert Purpose.ADVERTISING in (await granted(gateway, event(consent={})) or ())
    await gateway.batch(signal(), headers=GPC)
    assert len(await control(gateway)) == 2
    assert Purpose.ADVERTISING not in (await granted(gateway, event(consent=EVERYTHING)) or ())


async def test_opting_in_to_one_purpose_leaves_the_other_refused(gateway: Gateway) -> None:
    await gateway.batch(signal(), headers=GPC)
    await gateway.batch(message({"advertising": True}))
    assert [purpose for purpose, _, _, _ in await control(gateway)] == ["sale_or_share"]


async def test_a_refusal_after_privacy_control_confirms_it(gateway: Gateway) -> None:
    await gateway.batch(signal(), headers=GPC)
    first = await control(gateway)
    await gateway.batch(message(dict.fromkeys(EVERYTHING, False)))
    after = await control(gateway)
    assert [since for _, _, _, since in after] == [since for _, _, _, since in first]
    assert [at for _, _, at, _ in after] > [at for _, _, at, _ in first]


async def test_repeated_privacy_control_costs_no_statement(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        await gateway.batch(event(consent=EVERYTHING), headers=GPC)

    async def refuse(*_arguments: object) -> None:
        raise AssertionError("Postgres was asked for the same again")

    monkeypatch.setattr("gateway.subjects.store_consents", refuse)
    monkeypatch.setattr("gateway.subjects.consent_times", refuse)
    (result,) = await gateway.batch(event(consent=EVERYTHING), headers=GPC)
    assert result["outcome"] == "accepted"


async def test_a_profile_tells_that_privacy_control_is_honoured(gateway: Gateway) -> None:
    document = """query ($by: ProfileBy) { profile(by: $by) { globalPrivacyControl { honoured since } } }"""
    await gateway.batch(event(consent=GRANTED), headers=GPC)
    rows = await gateway.sql("SELECT id FROM subject WHERE workspace_id = $1", gateway.tenant.workspace)
    await gateway.sql(
        "INSERT INTO profile (workspace_id, id, first_seen_at, last_seen_at) VALUES ($1, $2, now(), now())",
        gateway.tenant.workspace,
        rows[0]["id"],
    )

    async def told() -> dict[str, Any]:
        status, answer = await gateway.post(
            "/graphql",
            {"query": document, "variables": {"by": {"anonymousId": "visitor-1"}}},
            headers={"Authorization": f"Bearer {gateway.tenant.secret_key}"},
        )
        assert status == 200, answer
        found: dict[str, Any] = answer["data"]["profile"]["globalPrivacyControl"]
        return found

    (_, _, at, _), _ = await control(gateway)
    assert await told() == {"honoured": True, "since": at.isoformat()}
    await gateway.batch(message(EVERYTHING))
    assert await told() == {"honoured": False, "since": None}


async def test_a_pixel_s_header_is_heard(gateway: Gateway) -> None:
    query = {
        "writeKey": gateway.tenant.write_key,
        "event": "product_view",
        "anonymousId": "visitor-1",
        "properties": '{"product_id": "p1"}',
    }
    async with gateway.http.get(f"{gateway.url}/pixel/v1/track", params=query, headers=GPC) as response:
        assert response.status == 200
    assert len(await control(gateway)) == 2


async def test_saved_settings_are_in_force_within_five_seconds(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await granted(gateway, signal({"categoryPreferences": {"Telemetry": True}})) is None
    document = """mutation ($input: SaveConsentSettingsInput!) { saveConsentSettings(input: $input) { __typename } }"""
    variables = {"input": {"categories": [{"name": "telemetry", "purposes": ["ANALYTICS"]}]}}
    await gateway.post(
        "/graphql",
        {"query": document, "variables": variables},
        headers={"Authorization": f"Bearer {gateway.tenant.secret_key}"},
    )
    later = time.monotonic() + 5
    monkeypatch.setattr("gateway.workspace.time", SimpleNamespace(monotonic=lambda: later))
    assert await granted(gateway, signal({"categoryPreferences": {"Telemetry": True}})) == {Purpose.ANALYTICS}
