"""How soon is a profile with its segments and events answered, and how often, beside a hand-written route?"""

import asyncio
from statistics import median
from uuid import uuid4

import msgspec

from bench.client import Connection, pace, post, saturate
from bench.figure import Figure, quantile
from bench.house import House, Process, open_house
from domain.alias import AliasKind
from privacy.pseudonym import aliases_for

PEOPLE = 200
VIEWS = 12
SEGMENTS = 10
CONNECTIONS = 16
A_SECOND = 25
PACED = 150
ROUNDS = 3
SECONDS = 2.0
HALF_SECONDS = 5
PROBES = 50
"""A second: how soon a process is answered that does nothing tells how long the machine holds everybody up."""
QUERY = """query ($id: String!) { profile(by: {externalId: $id}) {
  id traits counters segments { segment { key } enteredAt }
  events(first: 10) { edges { node { name at properties } } } } }"""

JOINED = """query ($id: String!) { profile(by: {externalId: $id}) {
  id version traits segments { segment { key name } enteredAt }
  recommendations(first: 10) { listId personalized nodes { position item { productId } } } } }"""

_ANSWERED = b'"product_view"'
_JOINED_ANSWERED = b'"listId"'


async def run() -> list[Figure]:
    """Fill the profiles the way they fill in life, then ask both in turn."""
    async with open_house() as house, house.serve() as gateway, house.run("bench.bare") as bare:
        async with house.build():
            await populate(house, gateway)
        queries = [house.graphql(QUERY, id=f"person-{person}") for person in range(PEOPLE)]
        asks = [post("/profile", bare_ask(house, f"person-{person}")) for person in range(PEOPLE)]
        ours, theirs, used = [], [], []
        for _ in range(ROUNDS):
            before = gateway.processor_seconds(), bare.processor_seconds()
            ours.append(await saturate(gateway.port, queries, SECONDS, CONNECTIONS, _ANSWERED))
            theirs.append(await saturate(bare.port, asks, SECONDS, CONNECTIONS, _ANSWERED))
            costs = gateway.processor_seconds() - before[0], bare.processor_seconds() - before[1]
            used.append((costs[0] / ours[-1] / SECONDS * 1e3, costs[1] / theirs[-1] / SECONDS * 1e3))
        waits = [wait * 1e3 for _, wait in await pace(gateway.port, queries[:PACED], A_SECOND, _ANSWERED)]
        joined = [house.graphql(JOINED, id=f"person-{person}") for person in range(PEOPLE)]
        most = [await saturate(gateway.port, joined, SECONDS, CONNECTIONS, _JOINED_ANSWERED) for _ in range(ROUNDS)]
        half = max(1, int(median(most) / 2))
        asked = [joined[number % PEOPLE] for number in range(half * HALF_SECONDS)]
        nothing = [post("/v1/batch", b"{}")] * (PROBES * HALF_SECONDS)
        answers, probes = await asyncio.gather(
            pace(gateway.port, asked, half, _JOINED_ANSWERED), pace(bare.port, nothing, PROBES, b'"size"')
        )
        together, held_up = ([wait * 1e3 for _, wait in those] for those in (answers, probes))
    return [
        Figure(f"p99 of the answer, {A_SECOND} a second", quantile(waits, 0.99), "ms", at_most=30),
        Figure("p50", quantile(waits, 0.5), "ms"),
        Figure(
            f"profile, segments and recommendations: p99 at half load, {half} a second",
            quantile(together, 0.99),
            "ms",
            at_most=30,
        ),
        Figure("meanwhile a bare route that only reads, p99", quantile(held_up, 0.99), "ms"),
        Figure("profile, segments and recommendations: p50", quantile(together, 0.5), "ms"),
        Figure("profile, segments and recommendations: most a second", median(most), "queries/s"),
        Figure("throughput", median(ours), "queries/s"),
        Figure("share of a hand-written route with the same SQL", median(ours) / median(theirs), at_least=0.5),
        Figure("processor time of a query", median(cost for cost, _ in used), "ms"),
        Figure("processor time by hand", median(cost for _, cost in used), "ms"),
    ]


async def populate(house: House, gateway: Process) -> None:
    """Send everyone's events and wait until the last of them shows."""
    views = {"type": "count", "event": "product_view", "op": ">=", "window": "7d"}
    await house.save_segments(gateway, {f"views_{n}": {**views, "n": n} for n in range(1, SEGMENTS + 1)})
    connection = await Connection.open(gateway.port)
    for person in range(PEOPLE):
        who = {"userId": f"person-{person}", "anonymousId": f"browser-{person}"}
        events = [{"type": "identify", "messageId": str(uuid4()), "traits": {"plan": "gold"}, **who}]
        events += [
            {
                "type": "track",
                "event": "product_view",
                "messageId": str(uuid4()),
                "properties": {"product_id": f"sku-{view}", "category": "coats"},
                **who,
            }
            for view in range(VIEWS)
        ]
        await connection.ask(house.batch(events))
    complete = b'"product_view":%d' % VIEWS
    async with asyncio.timeout(60):
        for person in range(PEOPLE):
            query = house.graphql(QUERY, id=f"person-{person}")
            while complete not in await connection.ask(query):  # noqa: ASYNC110 - as users do
                await asyncio.sleep(0.05)
    connection.close()


def bare_ask(house: House, user_id: str) -> bytes:
    """Ask the hand-written route, which finds people by their blind index."""
    [alias] = aliases_for(AliasKind.USER_ID, user_id, house.keys)
    return msgspec.json.encode({"workspace": house.workspace, "index": alias.index})
