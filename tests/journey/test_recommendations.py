"""The whole product: a crowd is learned from, and one person's next click is in their list within a second."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.fixtures.gateway import GRANTED, basic
from tests.fixtures.stack import ROOT, Stack
from tests.patience import AT_ALL, soonest

PEOPLE = 80
LIST = """query ($id: String!) { profile(by: {anonymousId: $id}) { recommendations(first: 4) {
  personalized nodes { item { productId name } reason { text } } } } }"""


def view(who: str, item: str, at: datetime) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "product_view",
        "messageId": str(uuid4()),
        "anonymousId": who,
        "timestamp": at.isoformat(),
        "properties": {"product_id": item, "name": f"The {item}"},
    }


async def send(stack: Stack, events: list[dict[str, Any]], consent: dict[str, bool]) -> None:
    body = {"batch": events, "context": {"consent": {"categoryPreferences": consent}}}
    headers = {"Authorization": basic(stack.write_key)}
    async with stack.http.post(f"{stack.url}/v1/batch", json=body, headers=headers) as response:
        answer = await response.json()
    assert answer["counts"] == {"accepted": len(events)}, answer


async def listed(stack: Stack, who: str) -> tuple[bool, list[str]]:
    profile = (await stack.graphql(LIST, id=who))["profile"]
    if profile is None:
        return False, []
    answer = profile["recommendations"]
    return answer["personalized"], [node["item"]["productId"] for node in answer["nodes"]]


async def until(holds: Callable[[], Awaitable[bool]]) -> float:
    began = time.perf_counter()
    async with asyncio.timeout(AT_ALL):
        while not await holds():
            await asyncio.sleep(0.02)
    return time.perf_counter() - began


async def test_a_new_event_changes_the_list_and_a_refusal_ends_it(
    start_stack: Callable[..., Awaitable[Stack]],
) -> None:
    stack, now = await start_stack(), datetime.now(UTC)
    crowd = [
        view(f"v{n}", f"t{n % 4}-{(n // 4) % 6 + step}", now - timedelta(days=1, seconds=90 * n - step))
        for n in range(PEOPLE)
        for step in range(7)
    ]
    await send(stack, crowd, GRANTED)

    async def all_built() -> bool:
        counts = [await stack.graphql("{ profiles(first: 1) { totalCount } }")]
        return bool(counts[0]["profiles"]["totalCount"] == PEOPLE)

    await until(all_built)
    command = (sys.executable, "-m", "gateway.cli.main", "train")
    trainer = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=stack.environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(trainer.communicate(), 2 * AT_ALL)
    assert trainer.returncode == 0
    assert b"is published: beats popularity" in said, said

    await send(stack, [view("new", "t1-3", datetime.now(UTC))], GRANTED)

    async def is_of_taste(taste: str) -> bool:
        personalized, items = await listed(stack, "new")
        return personalized and items[0].startswith(taste)

    await until(lambda: is_of_taste("t1-"))  # the gateway also learns of its first model meanwhile

    async def change_taste(turn: int) -> float:
        taste = f"t{(3, 0, 2)[turn]}-"
        await send(stack, [view("new", f"{taste}{item}", datetime.now(UTC)) for item in (3, 4)], GRANTED)
        return await until(lambda: is_of_taste(taste))

    assert await soonest(change_taste, 1) < 1

    async def refuse(turn: int) -> float:
        who = ("new", "v0", "v1")[turn]
        assert (await listed(stack, who))[0]
        refusal = view(who, "", datetime.now(UTC)) | {"event": "Consent Preference Updated", "properties": {}}
        await send(stack, [refusal], dict.fromkeys(GRANTED, False))

        async def is_left_alone() -> bool:
            return not (await listed(stack, who))[0]

        return await until(is_left_alone)

    assert await soonest(refuse, 5) < 5
