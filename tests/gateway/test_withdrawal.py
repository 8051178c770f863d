"""A withdrawal at one gateway stops collection at another within five seconds, whatever happens to Redis."""

import asyncio
import time
from functools import partial

import pytest

from domain.errors import StoreUnavailable
from tests.fixtures.gateway import Gateway, event, listening
from tests.patience import AT_ALL, soonest

NO = {"functional": False, "analytics": False, "personalization": False, "advertising": False}
SILENT: dict[str, bool] = {}
_SET = "mutation ($input: SetConsentInput!) { setConsent(input: $input) { __typename } }"


async def _say(gateway: Gateway, who: str, state: str) -> None:
    purposes = ("FUNCTIONAL", "ANALYTICS", "PERSONALIZATION", "ADVERTISING", "SALE_OR_SHARE")
    choices = [{"purpose": purpose, "state": state} for purpose in purposes]
    body = {"query": _SET, "variables": {"input": {"by": {"anonymousId": who}, "purposes": choices}}}
    headers = {"Authorization": f"Bearer {gateway.tenant.secret_key}"}
    status, answer = await gateway.post("/graphql", body, headers=headers, key=None)
    assert (status, answer["data"]["setConsent"]["__typename"]) == (200, "ConsentPayload")


async def _outcome(gateway: Gateway, who: str) -> str:
    (result,) = await gateway.batch(event(anonymousId=who, consent=SILENT))
    outcome: str = result["outcome"]
    return outcome


async def _withdraw(near: Gateway, far: Gateway, who: str, *, by_message: bool) -> float:
    """Withdraw at one gateway what the other has cached as granted; return how long that went on collecting."""
    # What the grant has dropped stays closed to fills for a moment: go on until the other process has it cached.
    async with asyncio.timeout(AT_ALL):
        while not await _cached(far):
            assert await _outcome(far, who) == "accepted"
    if by_message:
        await near.batch(event("Consent Preference Updated", NO, anonymousId=who))
    else:
        await _say(near, who, "DENIED")
    withdrawn_at = time.monotonic()
    while await _outcome(far, who) != "dropped_consent":
        assert time.monotonic() - withdrawn_at < AT_ALL
        await asyncio.sleep(0.05)
    return time.monotonic() - withdrawn_at


async def _cached(gateway: Gateway) -> list[object]:
    redis = gateway.resources.redis
    names = [name async for name in redis.scan_iter(f"tagway:subject:{gateway.tenant.workspace}:*")]
    values = [await redis.get(name) for name in names]
    return [value for value in values if value]


async def test_a_withdrawal_reaches_another_process(
    gateway_elsewhere: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = gateway_elsewhere
    async with listening(far.resources) as url:
        near = Gateway(url, far.tenant, far.database_url, far.http, far.resources)

        async def withdraw(who: str, by_message: bool, turn: int) -> float:
            await _say(far, f"{who}-{turn}", "GRANTED")
            return await _withdraw(near, far, f"{who}-{turn}", by_message=by_message)

        for by_message in (True, False):
            assert await soonest(partial(withdraw, f"told-{by_message}", by_message), 2) < 2

        async def lose(*_: object) -> None:
            raise StoreUnavailable

        # The word that drops what is cached is lost: then what is cached must end by itself.
        monkeypatch.setattr("stores.subject_cache.SubjectCache.drop", lose)
        for by_message in (True, False):
            assert await soonest(partial(withdraw, f"lost-{by_message}", by_message), 5) < 5
