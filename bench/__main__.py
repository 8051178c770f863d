"""`python -m bench [--tries 3] [name …]`: ask those named, or all but the long ones, whose table results.md keeps.

With `--tries` a bench is asked again while the host gave more than a little of the machine to others; of its answers
the one that was disturbed least stands, whatever it says.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench import (
    build,
    collect,
    fanout,
    graphql,
    live,
    mercurius,
    oracle,
    plans,
    protect,
    recommend,
    segments,
    soak,
    tag,
    timers,
    train,
    trending,
)
from bench.figure import Figure
from bench.machine import Shared
from bench.page import SIGNS, write_page

_BENCHES = {
    "protect": protect,
    "collect": collect,
    "build": build,
    "segments": segments,
    "oracle": oracle,
    "timers": timers,
    "live": live,
    "graphql": graphql,
    "plans": plans,
    "mercurius": mercurius,
    "fanout": fanout,
    "recommend": recommend,
    "trending": trending,
    "tag": tag,
    "train": train,
    "soak": soak,
}
_ASKED_FOR_ALONE = {"soak", "train"}
_AT_MOST_SECONDS = 120
_LITTLE = 2.0
"""Percent of the processor time that others may have without a bench being asked again."""
_RESULTS = Path(__file__).with_name("results.md")

Run = Callable[[], Coroutine[Any, Any, list[Figure]]]
Answers = dict[str, list[Figure]]


def main(arguments: list[str]) -> int:
    """Run the benches one after another; fail on a name that is none."""
    parser = argparse.ArgumentParser(prog="bench", description="How fast it is, against its bars.")
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"one of {', '.join(_BENCHES)}; all short ones if none"
    )
    parser.add_argument("--tries", type=int, default=1, help="how often to ask while others use the machine")
    asked = parser.parse_args(arguments)
    names, console = asked.names, Console(highlight=False)
    strangers = [name for name in names if name not in _BENCHES]
    if strangers:
        console.print(f"no bench is called {strangers[0]}: {', '.join(_BENCHES)}")
        return 2
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    if load > cores / 4:
        console.print(
            f"[yellow]others are using this machine (load {load:.1f} on {cores} cores): trust the ratios only"
        )
    answers: Answers = {}
    for name in names or [each for each in _BENCHES if each not in _ASKED_FOR_ALONE]:
        bench = _BENCHES[name]
        question = (bench.__doc__ or "").strip()
        answers[question] = _ask(bench, f"{name}: {question}", asked.tries, console)
    _print(answers, console)
    if not names:
        _RESULTS.write_text(write_page("What it measures to", _introduction(cores, load), answers))
    return 0


def _ask(bench: Any, label: str, tries: int, console: Console) -> list[Figure]:
    answers: list[tuple[float, list[Figure]]] = []
    while len(answers) < max(tries, 1) and (not answers or answers[-1][0] > _LITTLE):
        started, shared = time.perf_counter(), Shared.now()
        with console.status(label):
            figures = uvloop.run(_bounded(bench.run, getattr(bench, "AT_MOST_SECONDS", _AT_MOST_SECONDS)))
        given = shared.percent() if shared else 0.0
        answers.append((given, figures))
        console.print(f"[dim]{label} {time.perf_counter() - started:.0f} s, {given:.0f} % of them given to others")
    given, figures = min(answers, key=lambda answer: answer[0])
    return [*figures, Figure("of the machine, meanwhile given to others by its host", given, "%")]


async def _bounded(run: Run, seconds: float) -> list[Figure]:
    async with asyncio.timeout(seconds):
        return await run()


def _print(answers: Answers, console: Console) -> None:
    table = Table("", "figure", "bar", "")
    for column in (1, 2):
        table.columns[column].justify = "right"
    for question, figures in answers.items():
        table.add_row(f"[bold]{question}")
        for figure in figures:
            table.add_row(f"  {figure.name}", figure.shown, figure.bar, SIGNS[figure.met])
        table.add_section()
    console.print(table)


def _introduction(cores: int, load: float) -> str:
    return (
        f"Written by `make bench`. {cores} cores for everything at once: load, gateway, builder, Postgres and Valkey,\n"
        f"both durable, on loopback. Load by others before the run: {load:.1f}. Compare figures of one run only."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
