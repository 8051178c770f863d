"""How many events of 1 KB, in batches of 20, does one gateway process accept for good, over its whole path?"""

from dataclasses import replace
from statistics import median

from bench.client import saturate
from bench.event import EVENTS, make_event
from bench.figure import Figure
from bench.house import open_house
from bench.steps import step_costs

CONNECTIONS = 16
REQUESTS = 50
ROUNDS = 3
SECONDS = 3.0


async def run() -> list[Figure]:
    """Ask the gateway and a bare route in turn, and compare the medians.

    Beside them stands what the steps cost an event when every store answers at once, and what share of the bare route
    these alone would leave: more than that no way to the stores could reach. What the way in and out costs is told by
    requests of somebody whose key is unknown: they are read and answered, and go no further.
    """
    async with open_house() as house, house.serve() as gateway, house.run("bench.bare") as bare:
        batches = [[make_event() for _ in range(EVENTS)] for _ in range(REQUESTS)]
        requests = [house.batch(events) for events in batches]
        stranger = replace(house, write_key="tagway_write_unknown")
        strange = [stranger.batch(events) for events in batches]
        await saturate(gateway.port, requests, 1.0, CONNECTIONS, b'"accepted":20')
        rates, reads, of_processor, of_bare, refused = [], [], [], [], []
        for _ in range(ROUNDS):
            used = gateway.processor_seconds()
            rates.append(EVENTS * await saturate(gateway.port, requests, SECONDS, CONNECTIONS, b'"accepted":20'))
            of_processor.append(rates[-1] * SECONDS / (gateway.processor_seconds() - used))
            used = bare.processor_seconds()
            reads.append(EVENTS * await saturate(bare.port, requests, SECONDS / 2, CONNECTIONS, b'"size"'))
            of_bare.append(reads[-1] * SECONDS / 2 / (bare.processor_seconds() - used))
            used = gateway.processor_seconds()
            turned_away = EVENTS * await saturate(
                gateway.port, strange, SECONDS / 2, CONNECTIONS, b"unknown_key", status=b"401"
            )
            refused.append(turned_away * SECONDS / 2 / (gateway.processor_seconds() - used))
    costs = await step_costs()
    whole, read, way = 1e6 / median(of_processor), 1e6 / median(of_bare), 1e6 / median(refused)
    way -= costs["read the request"]
    return [
        Figure("accepted, durable", median(rates), "events/s", at_least=8_000),
        Figure("the same per second of the gateway's processor time", median(of_processor), "events/s"),
        Figure("share of what a bare Starlette route reads", median(rates) / median(reads), at_least=0.25),
        Figure("the most that the steps alone would leave of it", read / (read + sum(costs.values()))),
        Figure("processor time of an event", whole, "µs"),
        *(Figure(f"of it: {name}", cost, "µs") for name, cost in costs.items()),
        Figure("of it: HTTP in and out, routes, headers", way, "µs"),
        Figure("of it: the ways to Redis and Postgres, and waiting for them", whole - way - sum(costs.values()), "µs"),
        Figure("processor time of an event on the bare route", read, "µs"),
    ]
