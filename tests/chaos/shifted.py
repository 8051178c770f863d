"""The product on a machine whose clock may jump: `python -m tests.chaos.shifted up`, with all that it starts.

Seconds that the clock is off stand in a file beside the data folder, which gateway and builder read with the time.
Where the port of a wire stands there too, they reach Postgres by it.
"""

import asyncio
import struct
import sys
from datetime import datetime, timedelta
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
import uvloop
from rich.console import Console

from domain.clock import Clock, utc_now
from gateway.build import build
from gateway.cli.data import find_stores
from gateway.cli.main import main as other_commands
from gateway.cli.up import until_stopped
from gateway.serve import serve
from gateway.settings import Settings, read_settings
from tests.chaos import wire

PROGRAM: Final = "tests.chaos.shifted"
_SECONDS: Final = struct.Struct("<d")


def shift(data: Path, seconds: float) -> None:
    """Set the clock of the product that has its data there so far off."""
    with _place(data).open("r+b") as file:
        file.write(_SECONDS.pack(seconds))


def shifted(data: Path) -> Clock:
    """Open the clock of a product."""
    place = _place(data)
    if not place.exists():
        place.write_bytes(_SECONDS.pack(0.0))
    with place.open("rb") as file:
        kept = mmap(file.fileno(), _SECONDS.size, access=ACCESS_READ)

    def clock() -> datetime:
        return utc_now() + timedelta(seconds=_SECONDS.unpack_from(kept)[0])

    return clock


def wired(settings: Settings) -> Settings:
    """Lead the way to Postgres over the wire, where one is laid."""
    place = wire.place_of(settings.data)
    if settings.postgres_url is None or not place.exists():
        return settings
    straight = urlsplit(settings.postgres_url)
    account = straight.netloc.rpartition("@")[0]
    url = straight._replace(netloc=f"{account}@127.0.0.1:{int(place.read_text())}").geturl()
    return msgspec.structs.replace(settings, postgres_url=url)


def _place(data: Path) -> Path:
    return data.with_name(f"{data.name}.clock")


def main() -> None:
    """Run one command of the product; those that ask the time ask ours."""
    settings = read_settings()
    match sys.argv[1:]:
        case ["up"]:
            shifted(settings.data)
            asyncio.run(until_stopped(settings, Console(highlight=False), PROGRAM))
        case ["serve"]:
            uvloop.run(serve(wired(find_stores(settings)), shifted(settings.data)))
        case ["build"]:
            uvloop.run(build(wired(find_stores(settings)), shifted(settings.data)))
        case _:
            other_commands()


if __name__ == "__main__":
    main()
