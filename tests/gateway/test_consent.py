from typing import Any

import pytest

from domain.consent import Purpose
from stores.redis import open_redis
from tests.fixtures.gateway import Gateway, event

YES = {"functional": True, "analytics": True, "personalization": True}
NO = {"functional": False, "analytics": False, "personalization": False}
SILENT: dict[str, bool] = {}


def message(consent: dict[str, bool], **fields: Any) -> dict[str, Any]:
    return event("Consent Preference Updated", consent, **fields)


async def outcomes(gateway: Gateway, *events: Any, **keywords: Any) -> list[str]:
    return [result["outcome"] for result in await gateway.batch(*events, **keywords)]


async def states(gateway: Gateway) -> dict[str, str]:
    rows = await gateway.sql("SELECT purpose, state FROM consent WHERE workspace_id = $1", gateway.tenant.workspace)
    return {row["purpose"]: row["state"] for row in rows}


async def test_consent_is_in_force_for_the_next_event_of_the_same_batch(gateway: Gateway) -> None:
    assert await outcomes(
        gateway,
        event(consent=SILENT),
        message(YES),
        event(consent=SILENT, messageId="between"),
        message(NO),
        event(consent=SILENT),
        event(consent=YES),
    ) == ["dropped_consent", "accepted", "accepted", "accepted", "dropped_consent", "dropped_consent"]
    logged = await gateway.logged()
    assert [each.message_id for each in logged if each.name == "product_view"] == ["between"]
    assert set((await states(gateway)).values()) == {"withdrawn"}


async def test_stored_consent_speaks_for_later_requests_until_it_is_withdrawn(gateway: Gateway) -> None:
    assert await outcomes(gateway, message(YES)) == ["accepted"]
    assert await outcomes(gateway, event(consent=SILENT)) == ["accepted"]
    assert await outcomes(gateway, message({"analytics": False, "personalization": False})) == ["accepted"]
    assert await outcomes(gateway, event(consent=SILENT), event(consent=YES)) == ["dropped_consent"] * 2
    assert await states(gateway) == {
        "functional": "granted",
        "analytics": "withdrawn",
        "personalization": "withdrawn",
    }


async def test_a_message_goes_on_the_log_without_anything_of_the_person(gateway: Gateway) -> None:
    await gateway.batch(message(YES, userId="u1", properties={"query": "secret"}, context={"ip": "203.0.113.7"}))
    (logged,) = await gateway.logged()
    assert logged.purposes == (Purpose.NECESSARY,)
    assert (logged.aliases, logged.properties, logged.traits, logged.context, logged.sealed) == ((), {}, {}, {}, {})


async def test_of_an_unknown_person_s_refusal_an_index_alone_is_kept(gateway: Gateway) -> None:
    (refusal, after) = await gateway.batch(message(NO, userId="u1"), event(consent=YES))
    assert (refusal["outcome"], after["outcome"]) == ("dropped_consent", "dropped_consent")
    assert refusal["message"] == "What is refused is stored, and nothing else."
    assert await gateway.logged() == []
    workspace = gateway.tenant.workspace
    kinds = await gateway.sql("SELECT kind FROM alias WHERE workspace_id = $1 ORDER BY kind", workspace)
    assert [row["kind"] for row in kinds] == ["anonymous_id", "user_id"]
    assert await gateway.sql("SELECT FROM profile WHERE workspace_id = $1", workspace) == []


async def test_an_unknown_person_s_refusal_is_honoured_later_and_elsewhere(gateway: Gateway) -> None:
    await gateway.batch(message(NO, userId="u1"))
    assert await outcomes(gateway, event(consent=YES), event(consent=YES, anonymousId="a2", userId="u1")) == [
        "dropped_consent",
        "dropped_consent",
    ]
    status, answer = await gateway.post(
        "/update_profile",
        {"customer_id": "u1", "demographic_data": {"age": 35}},
        headers={"Authorization": f"Bearer {gateway.tenant.secret_key}"},
    )
    assert (status, answer["counts"]) == (200, {"dropped_consent": 1})
    assert await outcomes(gateway, message(YES, userId="u1"), event(consent=SILENT)) == ["accepted", "accepted"]


async def test_a_malformed_message_refuses_what_was_granted(gateway: Gateway) -> None:
    await gateway.batch(message(YES))
    await gateway.batch({**message(YES), "context": {"consent": {"categoryPreferences": {"analytics": "yes"}}}})
    assert await outcomes(gateway, event(consent=SILENT)) == ["dropped_consent"]


async def test_an_old_message_that_arrives_late_changes_nothing(gateway: Gateway) -> None:
    await gateway.batch(message(NO, userId="u1"), message(YES, userId="u1", timestamp="2026-01-01T00:00:00Z"))
    await gateway.batch(message(YES, timestamp="2026-02-02T00:00:00Z"))
    await gateway.batch(message(NO, timestamp="2026-02-03T00:00:00Z"))
    assert await outcomes(gateway, message(YES, timestamp="2026-02-02T12:00:00Z"), event(consent=SILENT)) == [
        "accepted",
        "dropped_consent",
    ]


async def test_a_message_speaks_for_every_identifier_it_names(gateway: Gateway) -> None:
    await gateway.batch(event(anonymousId="phone-visitor"), event(anonymousId="laptop-visitor", userId="u1"))
    await gateway.batch(message(NO, anonymousId="phone-visitor", userId="u1"))
    assert await outcomes(
        gateway,
        event(anonymousId="phone-visitor", consent=YES),
        event(anonymousId="tablet-visitor", userId="u1", consent=YES),
        event(anonymousId="tablet-visitor", consent=YES),
    ) == ["dropped_consent", "dropped_consent", "accepted"]


async def test_gpc_refuses_advertising_and_stays(gateway: Gateway) -> None:
    everything = {**YES, "advertising": True}
    await gateway.batch(message(everything), headers={"Sec-GPC": "1"})
    assert (await states(gateway))["advertising"] == "denied"
    (accepted,) = await outcomes(gateway, event(consent=everything))
    assert accepted == "accepted"
    assert Purpose.ADVERTISING not in (await gateway.logged())[-1].purposes


async def test_the_word_withdrawn_at_one_gateway_is_not_served_from_another_s_memory(gateway: Gateway) -> None:
    """A gateway that read Postgres before the withdrawal may not put what it read into the cache after it."""
    await gateway.batch(message(YES))
    redis = await open_redis(str(gateway.resources.settings.redis_url))
    try:
        pattern = f"tagway:subject:{gateway.tenant.workspace}:*"
        (name,) = [name async for name in redis.scan_iter(pattern)]
        await gateway.batch(message(NO))
        assert await redis.get(name) == b""
        assert not await redis.set(name, b"what was read before", nx=True)
        assert await outcomes(gateway, event(consent=YES)) == ["dropped_consent"]
        assert 0 < await redis.pttl(name) <= 5_000
    finally:
        await redis.aclose()


@pytest.mark.parametrize("name", ["Consent Preference Updated", "Segment Consent Preference Updated"])
async def test_both_names_are_heard(gateway: Gateway, name: str) -> None:
    assert await outcomes(gateway, event(name, YES), event(consent=SILENT)) == ["accepted"] * 2


async def test_a_suppressed_person_stays_forgotten(gateway: Gateway) -> None:
    await gateway.batch(event(userId="u1", anonymousId="a1"))
    logged = await gateway.logged()
    alias = logged[0].aliases[-1]
    await gateway.sql(
        "INSERT INTO suppression VALUES ($1, $2, $3, $4, 'erasure', now())",
        gateway.tenant.workspace,
        alias.kind,
        alias.version,
        alias.index,
    )
    await gateway.sql("DELETE FROM subject WHERE workspace_id = $1", gateway.tenant.workspace)
    redis = await open_redis(str(gateway.resources.settings.redis_url))
    await redis.flushall()
    await redis.aclose()
    for _ in range(2):  # from Postgres, then from the cache
        assert await outcomes(
            gateway, event(userId="u1", anonymousId="a1"), message(YES, anonymousId="a1"), event(userId="u2")
        ) == ["dropped_suppressed", "dropped_suppressed", "accepted"]


async def test_a_withdrawal_by_a_slow_clock_is_a_withdrawal(gateway: Gateway) -> None:
    await gateway.batch(message(YES))
    await gateway.batch(message(NO, timestamp="2020-01-01T00:00:00Z"))
    assert await outcomes(gateway, event(consent=SILENT), event(consent=YES)) == ["dropped_consent"] * 2


async def test_a_withdrawal_holds_against_a_word_that_another_gateway_s_clock_put_ahead(gateway: Gateway) -> None:
    await gateway.batch(message(YES))
    await gateway.sql(
        "UPDATE consent SET at = at + interval '5 seconds' WHERE workspace_id = $1", gateway.tenant.workspace
    )
    await gateway.batch(message(NO))
    assert set((await states(gateway)).values()) == {"withdrawn"}


async def test_of_two_words_in_one_batch_the_later_spoken_holds(gateway: Gateway) -> None:
    await gateway.batch(message(NO, timestamp="2026-02-01T12:00:00Z"), message(YES, timestamp="2026-02-01T12:00:01Z"))
    assert await outcomes(gateway, event(consent=SILENT)) == ["accepted"]
    await gateway.batch(message(NO, timestamp="2026-02-01T12:00:02Z"), message(YES, timestamp="2026-02-01T12:00:01Z"))
    assert await outcomes(gateway, event(consent=SILENT)) == ["dropped_consent"]


@pytest.mark.parametrize("own", [{"consent": {"categoryPreferences": YES}}, {}])
async def test_an_event_cannot_grant_what_its_batch_refuses(gateway: Gateway, own: dict[str, Any]) -> None:
    envelope = {"categoryPreferences": {"analytics": False, "personalization": False}}
    body = {"batch": [{**event(), "context": own}], "context": {"consent": envelope}}
    _, answer = await gateway.post("/v1/batch", body)
    assert answer["results"][0]["outcome"] == "dropped_consent"


async def test_a_batch_grants_for_those_of_its_events_that_say_nothing_themselves(gateway: Gateway) -> None:
    body = {"batch": [{**event(), "context": {}}], "context": {"consent": {"categoryPreferences": YES}}}
    _, answer = await gateway.post("/v1/batch", body)
    assert answer["results"][0]["outcome"] == "accepted"
    body["batch"] = [{**event(), "context": {"consent": {"categoryPreferences": {"functional": True}}}}]
    _, answer = await gateway.post("/v1/batch", body)
    assert answer["results"][0]["outcome"] == "dropped_consent"
