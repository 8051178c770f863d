"""`tagway deadletters`: events that could not be built are listed, looked at, corrected and sent again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from domain.clock import utc_now
from domain.errors import Refused
from gateway.cli.data import find_stores
from gateway.cli.workspace import named_workspace
from gateway.database import open_database
from gateway.eventlog import open_event_log
from gateway.settings import read_settings
from privacy.redact import redact
from profiles import dead_letters
from stores.dead_letters import DeadLetter, count_dead_letters, list_dead_letters, lock_dead_letters
from stores.faults import transaction
from stores.postgres import Connection, Database

app = typer.Typer(no_args_is_help=True, help="Events that could not be built: list, inspect, fix, replay.")

Workspace = Annotated[str | None, typer.Option("--workspace", help="Only those of this workspace.")]
_AT_ONCE: Final = 200


@app.command("list")
def list_(workspace: Workspace = None, most: Annotated[int, typer.Option(help="How many to show.")] = 50) -> None:
    """List the newest first, with the reason of each."""
    asyncio.run(_list(workspace, most))


@app.command()
def inspect(letter: int) -> None:
    """Show the shape of a record: names, types and lengths, nothing that it says of a person."""
    found = asyncio.run(_read(letter))
    print(f"reason  {found.reason}\nplace   {found.topic} {found.partition}:{found.offset}\nsince   {found.at}")
    print(msgspec.json.format(msgspec.json.encode(redact(found.value)), indent=2).decode())


@app.command()
def fix(
    letter: int,
    put: Annotated[list[str] | None, typer.Option("--set", help="PATH=JSON, as properties.price=12.5")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A path to leave out; may be repeated.")] = None,
) -> None:
    """Correct a record; it is not sent yet."""
    asyncio.run(_fix(letter, dict(map(_assignment, put or [])), remove or []))
    print(f"corrected; send it with `tagway deadletters replay {letter}`")


@app.command()
def replay(
    letters: Annotated[list[int] | None, typer.Argument(help="Their ids.")] = None,
    workspace: Workspace = None,
    everything: Annotated[bool, typer.Option("--all", help="All that there are now.")] = False,
) -> None:
    """Put records on the log again; one that fails again comes back with its new reason."""
    if bool(letters) == everything:
        raise Refused("name some ids, or --all")
    sent, left = asyncio.run(_replay(letters, workspace))
    print(f"{sent:,} sent again" + (f", {left:,} left: they are no events, correct them first" if left else ""))
    if left and not sent:
        raise typer.Exit(1)


def _open() -> AbstractAsyncContextManager[Database]:
    return open_database(find_stores(read_settings()))


async def _named(connection: Connection, name: str | None) -> UUID | None:
    return None if name is None else await named_workspace(connection, name)


async def _list(name: str | None, most: int) -> None:
    async with _open() as database, database.across() as connection:
        workspace = await _named(connection, name)
        letters = await list_dead_letters(connection, workspace, most)
        total = await count_dead_letters(connection, workspace)
    table = Table("id", "since", "place", Column("reason", overflow="fold"), "fixed", box=None, pad_edge=False)
    for each in letters:
        place = f"{each.partition}:{each.offset}"
        table.add_row(str(each.id), f"{each.at:%F %T}", place, each.reason, "yes" if each.fixed_at else "")
    Console().print(table)
    print(f"{len(letters):,} of {total:,}")


async def _read(letter: int) -> DeadLetter:
    async with _open() as database, database.across() as connection, transaction(connection):
        found = await lock_dead_letters(connection, None, [letter])
    if not found:
        raise _unknown(letter)
    return found[0]


async def _fix(letter: int, put: dict[str, Any], drop: list[str]) -> None:
    async with _open() as database, database.across() as connection:
        if await dead_letters.fix(connection, None, letter, put=put, drop=drop, at=utc_now()) is None:
            raise _unknown(letter)


async def _replay(letters: list[int] | None, name: str | None) -> tuple[int, int]:
    """Return how many were sent, and how many are no events."""
    settings = find_stores(read_settings())
    async with _open() as database:
        log = await open_event_log(settings, database)
        try:
            async with database.across() as connection:
                workspace = await _named(connection, name)
                await _know(connection, workspace, letters or [])
                wanted = letters or [each.id async for each in _all(connection, workspace)]
                sent = 0
                with Console(stderr=True).status("sending …") as status:
                    for start in range(0, len(wanted), _AT_ONCE):
                        part = wanted[start : start + _AT_ONCE]
                        sent += len(await dead_letters.replay(connection, log, workspace, part))
                        status.update(f"{sent:,} of {len(wanted):,} sent")
        finally:
            await log.close()
    return sent, len(wanted) - sent


async def _know(connection: Connection, workspace: UUID | None, letters: list[int]) -> None:
    """Raise `Refused` for the first that does not exist."""
    async with transaction(connection):
        found = {each.id for each in await lock_dead_letters(connection, workspace, letters)}
    for letter in letters:
        if letter not in found:
            raise _unknown(letter)


async def _all(connection: Connection, workspace: UUID | None) -> AsyncIterator[DeadLetter]:
    before: int | None = None
    while page := await list_dead_letters(connection, workspace, _AT_ONCE, before):
        for each in page:
            yield each
        before = page[-1].id


def _assignment(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    try:
        return path, msgspec.json.decode(value)
    except msgspec.DecodeError:
        if not equals:
            raise Refused(f"{text}: is not PATH=JSON") from None
        return path, value


def _unknown(letter: int) -> Refused:
    return Refused(f"there is no dead letter {letter}", code="not_found")
