"""`tagway access-log`: whether the log of looks at personal data is whole, and what one key saw in some hours."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from domain.errors import Refused
from gateway.cli.workspace import DEV, open_workspace
from stores.access_log import Check, Known, check_log
from stores.reads.access_log import Seen, seen_by

app = typer.Typer(no_args_is_help=True, help="Check the log of looks at personal data, and report from it.")

BROKEN = 2
"""Exit code where the log does not hold."""


def read_moment(text: str) -> datetime:
    """Read a date or time as ISO 8601 has it; without an offset it is UTC. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_known(text: str) -> Known:
    """Read `NUMBER:HASH` as `verify` prints it. Raises `ValueError`."""
    number, _, head = text.partition(":")
    return Known(int(number), bytes.fromhex(head))


WorkspaceName = Annotated[str, typer.Option("--workspace", help="Name of the workspace.")]
Head = Annotated[
    Known | None, typer.Option(parser=read_known, help="NUMBER:HASH of an earlier check, which must still stand.")
]
Since = Annotated[datetime, typer.Option("--from", parser=read_moment, help="Looks from this moment on, ISO 8601.")]
Until = Annotated[datetime, typer.Option("--to", parser=read_moment, help="Looks before this moment, ISO 8601.")]
Key = Annotated[UUID | None, typer.Option(help="Id of the key, as `tagway keys list` shows it.")]
Actor = Annotated[str | None, typer.Option(help="Another actor than a key: `cli`, `end user`, `job:<id>`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


class Report(msgspec.Struct, frozen=True):
    """Whose personal data an actor saw: what a notice of a breach has to say (GDPR, article 33)."""

    workspace: UUID
    actor: str
    since: datetime
    until: datetime
    people: int
    looks: int
    fields: dict[str, int]
    """How many people each field was seen of."""
    seen: list[Seen]


@app.command()
def verify(workspace: WorkspaceName = DEV, head: Head = None) -> None:
    """Compute the whole chain anew and name the first entry that does not hold; then the exit code is 2."""
    check = asyncio.run(_verify(workspace, head))
    print(f"{check.number} entries hold; head {check.number}:{check.head.hex()}")
    if check.bad is not None:
        print(f"entry {check.bad} does not hold: {check.reason}")
        raise typer.Exit(BROKEN)


@app.command()
def report(
    since: Since,
    until: Until,
    key: Key = None,
    actor: Actor = None,
    workspace: WorkspaceName = DEV,
    *,
    as_json: AsJson = False,
) -> None:
    """List the people and fields that one key, or another actor, has seen."""
    if (key is None) == (actor is None):
        raise Refused("say who looked: either --key or --actor")
    made = asyncio.run(_report(workspace, actor or f"key:{key}", since, until))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(made)).decode())
    else:
        _show(made)


async def _verify(name: str, known: Known | None) -> Check:
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} entries"))
    async with open_workspace(name) as (connection, workspace):
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=None)
            return await check_log(
                connection, workspace, known=known, progress=lambda done: progress.update(task, completed=done)
            )


async def _report(name: str, actor: str, since: datetime, until: datetime) -> Report:
    async with open_workspace(name) as (connection, workspace):
        seen = await seen_by(connection, workspace, actor, since, until)
    fields: dict[str, int] = {}
    for field in sorted(field for each in seen for field in each.fields):
        fields[field] = fields.get(field, 0) + 1
    return Report(workspace, actor, since, until, len(seen), sum(each.looks for each in seen), fields, seen)


def _show(made: Report) -> None:
    table = Table("profile", "fields", "looks", "first", "last", "for", box=None, pad_edge=False)
    for each in made.seen:
        times = (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in (each.first_at, each.last_at))
        table.add_row(str(each.profile_id), " ".join(each.fields), str(each.looks), *times, " ".join(each.purposes))
    console = Console()
    console.print(table)
    console.print(f"{made.actor} saw personal data of {made.people} people in {made.looks} looks")
