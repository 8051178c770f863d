"""The ledger of a product under fire: `python -m tests.chaos [--rounds N] [--seconds S] [--kafka] [--only TEXT]`."""

import argparse
import asyncio
import os
import random
import shutil
import subprocess
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.kafka import Broker, KafkaMissingError, fetch
from tests.chaos.faults import broker_faults, faults, filling
from tests.chaos.shifted import PROGRAM
from tests.chaos.trial import Fault, Round, cores, trial
from tests.fixtures.stack import running

_COLUMNS = (
    *("fault", "sent", "acknowledged", "refused", "no answer", "slowest"),
    *("kept unasked", "lost", "twice", "wrong", "changes", "missed", "settled"),
)

_DISK_MEGABYTES = 256


def main() -> int:
    """Run every fault some times over; fail unless each round is sound."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault comes")
    parser.add_argument("--seconds", type=float, default=6.0, help="load of one round, fault and settling apart")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--kafka", action="store_true", help="on a Kafka broker, which is then hit as well")
    parser.add_argument("--away", type=float, default=120.0, help="how long the broker is away for")
    parser.add_argument("--only", default="", help="faults whose names hold this text")
    options = parser.parse_args()
    console = Console(highlight=False)
    console.print(f"seed {options.seed}, {cores()}")
    rounds = asyncio.run(_run(options, console))
    console.print(table(rounds))
    return 0 if rounds and all(each.sound for each in rounds) else 1


async def _run(options: argparse.Namespace, console: Console) -> list[Round]:
    folder = _folder()
    done: list[Round] = []
    settings: dict[str, str] = {}
    chosen: dict[str, Fault] = dict(faults())
    async with AsyncExitStack() as house:
        house.callback(shutil.rmtree, folder, ignore_errors=True)
        if options.kafka:
            try:
                broker = Broker(fetch(), folder / "broker")
            except KafkaMissingError as error:
                console.print(f"no Kafka: {error}")
                return []
            broker.start()
            house.callback(broker.stop)
            settings["kafka_bootstrap"] = broker.bootstrap
            del chosen["poison on the log"]  # it is written by SQL
            chosen |= broker_faults(broker, options.away)
        disk = _small_disk(folder / "spool", house)
        if disk is None:
            console.print("[yellow]no full disk: a small one can be mounted by root only")
        else:
            settings["spool"] = str(disk)
            chosen["full disk, postgres away 6 s"] = filling(disk, 6)
        stack = await house.enter_async_context(running(folder / "data", settings, quiet=True, program=PROGRAM))
        under_fire = await house.enter_async_context(trial(stack, options.seed))
        wanted = [(name, fault) for name, fault in chosen.items() if options.only in name]
        for name, fault in wanted * options.rounds:
            with console.status(f"{name} …"):
                one = await under_fire.round(name, fault, options.seconds)
            sign = "[green]✓" if one.sound else "[red]✗"
            console.print(f"{sign}[/] {name}: {one.acknowledged:,} of {one.sent:,} acknowledged, {one.lost} lost")
            done.append(one)
    return done


def _folder() -> Path:
    """Make a folder that the servers' own account may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="tagway-chaos-"))
    folder.chmod(0o711)
    return folder


def _small_disk(folder: Path, house: AsyncExitStack) -> Path | None:
    """Mount a disk that is soon full; None where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MEGABYTES}m", "tagway", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False, capture_output=True).returncode:
        return None
    house.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=False)
    return folder


def table(rounds: list[Round]) -> Table:
    """Lay the ledger out, with its sums."""
    shown = Table(*_COLUMNS, box=None, pad_edge=False)
    for each in rounds:
        shown.add_row(*_row(each))
    last = rounds[-1] if rounds else None
    if last is not None:
        sums = [sum(getattr(each, name) for each in rounds) for name in ("sent", "acknowledged", "refused", "silent")]
        bad = [sum(getattr(each, name) for each in rounds) for name in ("lost", "twice", "wrong")]
        ends = (str(last.changes), str(sum(each.missed for each in rounds)), "")
        shown.add_row("[bold]all", *map(str, sums), "", str(last.kept), *map(str, bad), *ends)
    return shown


def _row(each: Round) -> tuple[str, ...]:
    return (
        each.fault,
        str(each.sent),
        str(each.acknowledged),
        str(each.refused),
        str(each.silent),
        f"{each.slowest:.1f} s",
        *(str(getattr(each, name)) for name in ("kept", "lost", "twice", "wrong", "changes", "missed")),
        f"{each.settled:.1f} s",
    )


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "160")
    raise SystemExit(main())
