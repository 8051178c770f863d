"""The ledger of a product under fire: every fault, on the log in Postgres and then on Kafka, and a table at the end."""

import argparse
import asyncio
import os
import random
import signal
import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console

from scripts.kafka import KafkaMissingError, fetch, find_java
from tests.chaos.cases import Case, cases
from tests.chaos.disk import can_mount
from tests.chaos.round import Round
from tests.chaos.site import Log, open_site
from tests.chaos.table import table
from tests.chaos.trial import trial

_SETTLES: Final = 6.0
_OPENS: Final = 30.0
_SHOWN: Final = 5
_PATIENCE: Final = 3
"""How many times what it should take it may take: each fault may need a while to settle."""


def main() -> int:
    """Run every fault some times over; fail unless each round is sound and none is left out."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends it, its disks are unmounted
    options = _options()
    console = Console(highlight=False)
    options.disks = can_mount()
    if not options.disks:
        console.print("[yellow]no full disks: only root can mount small ones")
    plan = {log: _wanted(log, options) for log in _logs(options.log, console)}
    plan = {log: wanted for log, wanted in plan.items() if wanted}
    seconds = sum(_length(wanted, options.seconds) for wanted in plan.values())
    number = sum(map(len, plan.values()))
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    console.print(
        f"{number} rounds, about {seconds / 60:.0f} minutes, at most {_PATIENCE * seconds / 60:.0f}; "
        f"seed {options.seed}, {machine}"
    )
    rounds: list[Round] = []
    try:
        asyncio.run(asyncio.wait_for(_run(plan, options, console, rounds), _PATIENCE * seconds))
    except TimeoutError:
        console.print("[red]the time is over")
    except KeyboardInterrupt:
        console.print("[yellow]stopped")
    console.print(table(rounds))
    if len(rounds) < number:
        console.print(f"[red]{number - len(rounds)} of {number} rounds did not come to their end")
    return 0 if number and len(rounds) == number and all(each.sound for each in rounds) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--log", choices=("both", "postgres", "kafka"), default="both", help="which log it runs on")
    parser.add_argument("--only", default="", help="faults whose names hold this text")
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault comes")
    parser.add_argument("--seconds", type=float, default=6.0, help="load of one round, fault and settling apart")
    parser.add_argument("--away", type=float, default=120.0, help="how long the broker is away for, in seconds")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    return parser.parse_args()


def _logs(asked: str, console: Console) -> list[Log]:
    """Tell which logs this machine has of those that were asked for."""
    logs: list[Log] = []
    if asked != "kafka":
        logs.append("postgres")
    if asked != "postgres":
        try:
            find_java()
            fetch()
        except KafkaMissingError as error:
            console.print(f"[yellow]nothing on Kafka: {error}")
        else:
            logs.append("kafka")
    return logs


def _wanted(log: Log, options: argparse.Namespace) -> list[Case]:
    listed = cases(log, disks=options.disks, away=options.away)
    chosen = [case for case in listed if options.only in case.name]
    return chosen * int(options.rounds)


def _length(wanted: Sequence[Case], seconds: float) -> float:
    return _OPENS + sum(seconds + case.seconds + _SETTLES for case in wanted)


async def _run(plan: dict[Log, list[Case]], options: argparse.Namespace, console: Console, done: list[Round]) -> None:
    for log, wanted in plan.items():
        console.print(f"the log is in {log}")
        try:
            async with (
                open_site(log, disks=options.disks) as site,
                trial(site, options.seed) as under_fire,
            ):
                for place, case in enumerate(wanted, 1):
                    with console.status(f"{case.name} …"):
                        began = time.monotonic()
                        one = await under_fire.round(case.name, case.fault, options.seconds)
                    done.append(one)
                    console.print(f"{place}/{len(wanted)} {_told(one)}, {time.monotonic() - began:.0f} s")
                for surprise, times in under_fire.ledger.surprises.most_common(_SHOWN):
                    console.print(f"[red]faulty, {times} times[/] {surprise}")
        # What ends one product under fire shall not keep the other from it.
        except Exception as error:  # noqa: BLE001 - whatever it is, the table must be shown
            console.print(f"[red]✗[/] on {log} it ended: {_reason(error)}")


def _told(one: Round) -> str:
    sign = "[green]✓[/]" if one.sound else "[red]✗[/]"
    return f"{sign} {one.fault}: {one.acknowledged:,} of {one.sent:,} acknowledged, {one.found.lost} lost"


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__} {error}".strip()


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "200")
    raise SystemExit(main())
