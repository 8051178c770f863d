"""A person's rights in the product as it is run: from the command line, over a restored backup, in every trace."""

import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.fixtures.stack import ROOT, Stack
from tests.fixtures.traces import Traces, read_kafka, read_redis, read_tables, sightings
from tests.patience import AT_ALL

CONSENT = {"consent": {"categoryPreferences": {"analytics": True, "personalization": True, "functional": True}}}
PERSON = "query ($by: ProfileBy!) { profile(by: $by) { id counters } }"


async def collect(stack: Stack, *events: dict[str, Any]) -> list[str]:
    body = {"batch": [{"context": CONSENT, **event} for event in events], "writeKey": stack.write_key}
    async with stack.http.post(f"{stack.url}/v1/batch", json=body) as response:
        assert response.status == 200
        return [result["outcome"] for result in (await response.json())["results"]]


async def become_known(stack: Stack, user: str, email: str) -> None:
    who = {"userId": user, "anonymousId": f"browser of {user}"}
    outcomes = await collect(
        stack,
        who | {"type": "identify", "traits": {"email": email, "plan": f"plan of {user}"}},
        who | {"type": "track", "event": "search", "properties": {"query": f"wish of {user}"}},
    )
    assert outcomes == ["accepted", "accepted"]
    async with asyncio.timeout(AT_ALL):
        while True:
            profile = (await stack.graphql(PERSON, by={"email": email}))["profile"]
            if profile and profile["counters"].get("search"):
                return
            await asyncio.sleep(0.05)


async def command(stack: Stack, *words: str) -> tuple[int, bytes, bytes]:
    """Run `tagway` beside the product and return its exit code and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli.main", *words),
        cwd=ROOT,
        env=stack.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    written, said = await asyncio.wait_for(process.communicate(), AT_ALL)
    assert process.returncode is not None
    return process.returncode, written, said


async def traces_of(stack: Stack) -> Traces:
    stores = json.loads((stack.data / "stores.json").read_text())
    traces = await read_tables(stores["TAGWAY_POSTGRES_URL"]) | await read_redis(stores["TAGWAY_REDIS_URL"])
    return traces | {"output": stack.output.read_bytes(), "journal": (stack.data / "erasures.jsonl").read_bytes()}


async def test_a_restored_backup_brings_nobody_back(
    start_stack: Callable[..., Awaitable[Stack]], tmp_path: Path
) -> None:
    stack = await start_stack()
    await become_known(stack, "ann", "ann@example.com")
    await become_known(stack, "bob", "bob@example.com")
    assert await stack.stop() == 0
    postgres, backup = stack.data / "postgres", stack.data.with_name(f"{stack.data.name}.backup")
    await copy(postgres, backup)

    stack = await start_stack(stack.data)
    code, receipt, said = await command(stack, "erase", "--email", "ann@example.com", "--yes")
    assert code == 0, said
    assert await stack.stop() == 0

    shutil.rmtree(postgres)
    await copy(backup, postgres)
    stack = await start_stack(stack.data)
    for by in ({"email": "ann@example.com"}, {"externalId": "ann"}, {"anonymousId": "browser of ann"}):
        assert (await stack.graphql(PERSON, by=by))["profile"] is None
    assert (await stack.graphql(PERSON, by={"externalId": "bob"}))["profile"]["counters"]["search"] == 1
    traces = await traces_of(stack)
    assert sightings(traces, ["wish of ann", "plan of ann"]) == []
    assert sightings(traces, ["wish of bob"])
    assert await collect(stack, {"type": "track", "event": "search", "userId": "ann"}) == ["dropped_suppressed"]
    assert b"erasures_replayed" in stack.output.read_bytes()

    (tmp_path / "receipt.json").write_bytes(receipt)
    code, genuine, said = await command(stack, "requests", "verify", str(tmp_path / "receipt.json"))
    assert code == 0, said
    assert genuine.startswith(b"genuine, signed by ")


async def copy(folder: Path, into: Path) -> None:
    """Make a cold copy, with the owners and the rights that the server's account needs."""
    process = await asyncio.create_subprocess_exec("cp", "-a", str(folder), str(into))
    assert await process.wait() == 0


async def test_rights_are_exercised_from_the_command_line(
    start_stack: Callable[..., Awaitable[Stack]], tmp_path: Path
) -> None:
    stack = await start_stack()
    await become_known(stack, "ann", "ann@example.com")
    code, written, said = await command(stack, "export", "--user-id", "ann")
    assert code == 0, said
    assert json.loads(written)["profile"]["traits"]["email"] == "ann@example.com"
    code, written, _ = await command(stack, "export", "--email", "ann@example.com", "--portable")
    assert len(json.loads(written)["batches"][0]["batch"]) == 2

    code, receipt, _ = await command(stack, "erase", "--user-id", "ann", "--yes")
    assert code == 0
    signed = json.loads(receipt)
    code, listed, _ = await command(stack, "requests", "list")
    assert [line.split()[1] for line in listed.decode().splitlines()[1:]] == ["erase", "portability", "access"]

    for words, complaint in (
        (["export", "--user-id", "ann"], b"tagway: nothing is held about this person"),
        (["erase", "--yes"], b"tagway: name the person by exactly one of"),
        (["erase", "--email", "nobody", "--yes"], b"tagway: not a valid email, or a placeholder"),
        (["requests", "verify", str(altered(tmp_path, signed))], b"tagway: this receipt was altered"),
    ):
        code, written, said = await command(stack, *words)
        assert (code, written) == (1, b"")
        assert said.strip().splitlines()[-1].startswith(complaint), said
    assert sightings(await traces_of(stack), ["wish of ann", "ann@example.com"]) == []


def altered(folder: Path, signed: dict[str, Any]) -> Path:
    path = folder / "altered.json"
    path.write_text(json.dumps(signed | {"receipt": signed["receipt"] | {"in_time": False}}))
    return path


async def test_an_erasure_reaches_kafka(start_stack: Callable[..., Awaitable[Stack]], kafka_bootstrap: str) -> None:
    stack = await start_stack(kafka_bootstrap=kafka_bootstrap)
    await become_known(stack, "ann", "ann@example.com")
    profile = (await stack.graphql(PERSON, by={"externalId": "ann"}))["profile"]
    assert profile
    code, receipt, said = await command(stack, "erase", "--email", "ann@example.com", "--yes")
    assert code == 0, said
    steps = json.loads(receipt)["receipt"]["steps"]
    assert steps["announce"]["counts"] == {"records": 1}
    traces = await traces_of(stack) | await read_kafka(kafka_bootstrap)
    assert sightings(traces, ["ann@example.com"]) == []
    assert any(place.startswith("kafka tagway.erasures") and content for place, content in traces.items())
