"""All that `make chaos` does to the product, in its order, and about how long each takes."""

from typing import Final, NamedTuple

from tests.chaos.broker import breaking, overfilling
from tests.chaos.faults import (
    cutting,
    ending_wal,
    faltering,
    filling,
    freezing,
    jumping,
    killing,
    refusing,
    repeating,
    stalling,
    together,
    waiting,
)
from tests.chaos.poison import poisoning
from tests.chaos.site import Log
from tests.chaos.trial import Fault
from tests.fixtures.parts import PARTS

NO_MEMORY: Final = ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0")
READ_ONLY: Final = ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE")


class Case(NamedTuple):
    """A fault with its name, and the seconds that it takes beside the load."""

    name: str
    fault: Fault
    seconds: float = 3.0


def cases(log: Log, *, disks: bool, away: float) -> list[Case]:
    """List what can be done on a log; `away` is the longest that a broker stays away, in seconds."""
    return [
        Case("none", waiting(0), 0),
        *(Case(f"kill -9 {name}", killing(name)) for name in PARTS),
        Case("kill -9 all at once", killing(*PARTS), 5),
        *(_broker(away) if log == "kafka" else ()),
        Case("freeze postgres 3 s", freezing("postgres", 3)),
        Case("freeze redis 3 s", freezing("redis", 3)),
        Case("freeze serve 3 s", freezing("serve", 3), 3),
        Case("freeze build 70 s", freezing("build", 70), 70),
        Case("slow postgres 5 s", faltering("postgres", 5), 5),
        Case("slow redis 5 s", faltering("redis", 5), 5),
        Case("slow, broken line 5 s", stalling(5), 5),
        Case("way to postgres cut 8 s", cutting(8), 120),
        Case("redis without memory 5 s", refusing(5, *NO_MEMORY), 5),
        Case("redis read-only 5 s", refusing(5, *READ_ONLY), 5),
        Case("clock an hour off, 10 s", jumping(5), 10),
        Case("poison on the log", poisoning, 5),
        Case("repeats, shuffled", repeating, 2),
        *(_disks(log) if disks else ()),
    ]


def _broker(away: float) -> list[Case]:
    return [
        Case("kill -9 broker", breaking(0), 15),
        Case(f"broker away {away:g} s", breaking(away), 2 * away),
        Case("kill -9 gateway, broker away", together(killing("serve"), breaking(5)), 20),
    ]


def _disks(log: Log) -> list[Case]:
    return [
        Case("full disk of spool, no postgres 6 s", filling("spool", freezing("postgres", 6)), 6),
        Case("full disk of postgres 10 s", filling("postgres", waiting(10)), 20),
        Case("full disk, end of WAL 10 s", filling("postgres", together(ending_wal, waiting(10))), 30),
        *([Case("full disk of broker", overfilling, 40)] if log == "kafka" else ()),
    ]
