"""Do memory and lag stay flat at half of what it can take? A minute; `python -m bench.soak 1800` for half an hour.

What a long one measured is kept in soak.md.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import uvloop
from rich.console import Console

from bench.client import Connection, saturate
from bench.event import EVENTS, make_event
from bench.figure import Figure
from bench.house import House, Process, open_database, open_house
from bench.machine import Shared
from bench.page import write_page
from domain.topics import EVENTS as TOPIC
from profiles.builder import GROUP
from stores.offsets import read_offsets
from stores.postgres import Database

SECONDS = 60.0
AT_MOST_SECONDS = 300
_LONG = 600.0
"""From this length on, what is measured is no longer the warming up, and is held to its bars."""
_FLOOD_SECONDS = 8.0
_DRAIN_WITHIN = 120.0
_CONNECTIONS = 16
_QUESTION = "Do memory and lag stay flat at half of what it can take?"
_PAGE = Path(__file__).with_name("soak.md")
_ENDS = "SELECT coalesce(sum(next_offset), 0) FROM log_partition WHERE topic = $1"


@dataclass(frozen=True, slots=True)
class Sample:
    """How things stood: bytes of memory, and events that were accepted and not built."""

    gateway: int
    builder: int
    lag: int


async def run(seconds: float = SECONDS, tell: Callable[[str], None] = lambda _: None) -> list[Figure]:
    """Find the capacity of the whole way, then go at half of it. `tell` hears how it stands meanwhile."""
    async with (
        open_house() as house,
        house.serve() as gateway,
        house.build() as builder,
        open_database(house) as database,
    ):
        tell("finding out what it can take")
        capacity = await _capacity(house, gateway, database)
        parts = asyncio.create_task(_watch(gateway, builder, database, seconds, tell))
        sent, refused = await _send(house, gateway, capacity / 2, seconds)
        samples = await parts
        await _drained(database)
    begin, end = samples[len(samples) // 6 : len(samples) // 3], samples[-max(len(samples) // 6, 1) :]
    bar = 1.1 if seconds >= _LONG else None
    return [
        Figure("capacity, accepted and built", capacity, "events/s"),
        Figure("sent at half of it", sent / seconds, "events/s"),
        Figure("refused", refused, "requests", at_most=0),
        Figure("memory of the gateway, end to beginning", _ratio("gateway", begin, end), at_most=bar),
        Figure("memory of the builder, end to beginning", _ratio("builder", begin, end), at_most=bar),
        Figure("lag in the beginning", 2 * median(each.lag for each in begin) / capacity, "s"),
        Figure("lag in the end", 2 * median(each.lag for each in end) / capacity, "s", at_most=1.0 if bar else None),
    ]


async def _capacity(house: House, gateway: Process, database: Database) -> float:
    """Flood it, and see how fast it has built all of that."""
    requests = [house.batch([make_event() for _ in range(EVENTS)]) for _ in range(2_000)]
    started = time.perf_counter()
    await saturate(gateway.port, requests, _FLOOD_SECONDS, _CONNECTIONS, b'"accepted":20')
    await _drained(database)
    return float(await _accepted(database)) / (time.perf_counter() - started)


async def _send(house: House, gateway: Process, a_second: float, seconds: float) -> tuple[int, int]:
    """Send fresh events at their times, over some connections; return how many, and how many requests were refused."""
    started, refused, number = time.perf_counter(), 0, 0
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        free.put_nowait(await Connection.open(gateway.port))

    async def ask(connection: Connection, request: bytes) -> None:
        nonlocal refused
        try:
            await connection.ask(request)
        except RuntimeError:
            refused += 1
        free.put_nowait(connection)

    async with asyncio.TaskGroup() as group:
        while (due := number * EVENTS / a_second) < seconds:
            await asyncio.sleep(max(started + due - time.perf_counter(), 0))
            request = house.batch([make_event() for _ in range(EVENTS)])
            group.create_task(ask(await free.get(), request))
            number += 1
    while not free.empty():
        free.get_nowait().close()
    return number * EVENTS, refused


async def _watch(
    gateway: Process, builder: Process, database: Database, seconds: float, tell: Callable[[str], None]
) -> list[Sample]:
    samples, every = [], max(seconds / 120, 0.5)
    for number in range(int(seconds / every)):
        sample = Sample(_memory(gateway), _memory(builder), await _lag(database))
        samples.append(sample)
        tell(
            f"{number * every:,.0f} of {seconds:,.0f} s: gateway {sample.gateway / 2**20:.0f} MB, "
            f"builder {sample.builder / 2**20:.0f} MB, {sample.lag:,} events not built"
        )
        await asyncio.sleep(every)
    return samples


def _memory(process: Process) -> int:
    """Read what of a process is in memory, in bytes. Linux only."""
    line = next(each for each in Path(f"/proc/{process.child.pid}/status").read_text().splitlines() if "VmRSS" in each)
    return int(line.split()[1]) * 1024


async def _accepted(database: Database) -> int:
    async with database.across() as connection:
        return int(await connection.fetchval(_ENDS, TOPIC))


async def _lag(database: Database) -> int:
    async with database.across() as connection:
        built = sum((await read_offsets(connection, GROUP, TOPIC)).values())
    return max(await _accepted(database) - built, 0)


async def _drained(database: Database) -> None:
    async with asyncio.timeout(_DRAIN_WITHIN):
        while await _lag(database):  # noqa: ASYNC110 - the builder tells nobody
            await asyncio.sleep(0.1)


def _ratio(part: str, before: Sequence[Sample], after: Sequence[Sample]) -> float:
    return float(median(getattr(each, part) for each in after) / median(getattr(each, part) for each in before))


def main(arguments: list[str]) -> int:
    """Soak for so many seconds, and print what came of it; a long one writes its page."""
    console = Console(highlight=False)
    seconds = float(arguments[0]) if arguments else SECONDS
    shared = Shared.now()
    with console.status("") as status:
        figures = uvloop.run(run(seconds, status.update))
    if shared:
        figures.append(Figure("of the machine, meanwhile given to others by its host", shared.percent(), "%"))
    for each in figures:
        console.print(f"{each.name:55} {each.shown:>15} {each.bar}")
    if seconds >= _LONG:
        _PAGE.write_text(_written(seconds, figures))
    return 0 if all(each.met is not False for each in figures) else 1


def _written(seconds: float, figures: list[Figure]) -> str:
    introduction = (
        f"Written by `python -m bench.soak {seconds:.0f}`: {seconds / 60:.0f} minutes on {os.cpu_count()} cores,\n"
        "for load, gateway, builder and stores. The beginning is the second sixth of the time, the end the last."
    )
    return write_page("Half of what it can take, for long", introduction, {_QUESTION: figures})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
