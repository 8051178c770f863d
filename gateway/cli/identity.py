"""`tagway identity`: who was taken to be whom, and merges made and taken back."""

import asyncio
import csv
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from domain.clock import utc_now
from domain.errors import Refused
from domain.identity import Decision
from gateway.cli.data import find_stores
from gateway.cli.workspace import DEV, WorkspaceName, named_workspace, open_workspace
from gateway.database import open_database
from gateway.settings import read_settings
from gateway.stores import open_redis
from privacy.resemblance import alike
from profiles.joining import Deed, Outcome, merge
from profiles.parting import unmerge
from stores.claims import StoredClaim, list_claims
from stores.identities import current_profiles
from stores.postgres import Connection
from stores.subject_cache import SubjectCache

app = typer.Typer(no_args_is_help=True, help="Who was taken to be whom; merge people, and take merges back.")

Profile = Annotated[UUID, typer.Argument(help="A profile's id.")]
Reason = Annotated[str, typer.Option(help="Why, without what identifies a person.")]


@app.command()
def claims(
    profile: Annotated[UUID | None, typer.Option(help="Only those of this profile.")] = None,
    decision: Annotated[Decision | None, typer.Option(help="Only these.")] = None,
    most: Annotated[int, typer.Option(help="How many.")] = 50,
    workspace: WorkspaceName = DEV,
) -> None:
    """List the newest claims: which identifiers were seen together, and what was made of it."""
    found = asyncio.run(_claims(workspace, profile, decision, most))
    table = Table("claim", "at", "decision", "of", "with", "reason", "actor", "profile", "other", box=None)
    for each in found:
        undone = " (undone)" if each.undone else ""
        ids = [str(id_ or "") for id_ in (each.profile_id, each.other_profile_id)]
        table.add_row(
            str(each.id),
            f"{each.at:%Y-%m-%d %H:%M}",
            f"{each.decision}{undone}",
            each.by_kind,
            each.kind,
            each.reason,
            each.actor,
            *ids,
        )
    Console().print(table)


@app.command("merge")
def merge_(
    profile: Profile,
    other: Profile,
    reason: Reason,
    into: Annotated[UUID | None, typer.Option(help="The one of them to stay.")] = None,
    workspace: WorkspaceName = DEV,
) -> None:
    """Make two profiles one, also two users, and two that were parted."""

    async def act(connection: Connection, id_: UUID, deed: Deed) -> Outcome:
        return await merge(connection, id_, (profile, other), deed, into=into)

    outcome = asyncio.run(_decide(workspace, reason, act))
    print(f"{outcome.other} is part of {outcome.profile} now")


@app.command("unmerge")
def unmerge_(
    claim: Annotated[int, typer.Argument(help="The claim of the merge, as `tagway identity claims` shows it.")],
    reason: Reason,
    workspace: WorkspaceName = DEV,
) -> None:
    """Take a merge back: both are as if it had never been, and are kept apart from then on."""

    async def act(connection: Connection, id_: UUID, deed: Deed) -> Outcome:
        return await unmerge(connection, id_, claim, deed)

    outcome = asyncio.run(_decide(workspace, reason, act))
    print(f"{outcome.other} is back, apart from {outcome.profile}")


@app.command()
def duplicates(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or JSON lines: name, birthday, postcode.")],
    least: Annotated[float, typer.Option(min=0, max=1, help="How alike rows must be.")] = 0.8,
) -> None:
    """Tell which rows of a file are alike, by their numbers, before it is imported. Nothing of it is kept."""
    table = Table("row", "other row", "alike", "by field", box=None)
    for one, other, likeness in alike(_rows(file), least):
        by_field = ", ".join(f"{name} {score:.2f}" for name, score in likeness.fields.items())
        table.add_row(str(one + 1), str(other + 1), f"{likeness.score:.2f}", by_field)
    Console().print(table if table.row_count else "no two rows are alike")


def _rows(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        if file.suffix.lower() == ".csv":
            return list(csv.DictReader(lines))
        try:
            return [msgspec.json.decode(line, type=dict[str, Any]) for line in lines if line.strip()]
        except msgspec.DecodeError:
            raise Refused(f"{file.name} is not one JSON object per line") from None


async def _claims(name: str, profile: UUID | None, decision: Decision | None, most: int) -> list[StoredClaim]:
    async with open_workspace(name) as (connection, workspace):
        if profile is not None:
            profile = (await current_profiles(connection, workspace, [profile])).get(profile, profile)
        decisions = tuple(Decision) if decision is None else (decision,)
        return await list_claims(connection, workspace, profile=profile, decisions=decisions, limit=most)


async def _decide(name: str, reason: str, act: Callable[[Connection, UUID, Deed], Awaitable[Outcome]]) -> Outcome:
    settings = find_stores(read_settings())
    async with (
        open_database(settings, connections=1) as database,
        open_redis(settings) as redis,
        database.across() as connection,
    ):
        workspace = await named_workspace(connection, name)
        outcome = await act(connection, workspace, Deed("cli", reason, utc_now()))
        await SubjectCache(redis).drop(workspace, outcome.stale)
        return outcome
