"""`tagway keys`: list, create and revoke the keys of a workspace."""

import asyncio
from textwrap import wrap
from typing import Annotated, Final
from uuid import UUID

import typer

from domain.clock import utc_now
from domain.errors import Refused
from domain.key import KeyKind, Scope
from domain.pace import MOST_EVENTS, Pace
from gateway.cli import rotation
from gateway.cli.workspace import DEV, WorkspaceName, open_workspace
from stores.keys import create_key, list_keys, revoke_key, set_pace

app = typer.Typer(no_args_is_help=True, help="List, create and revoke keys.")
app.add_typer(rotation.app)

_BURST_SECONDS: Final = 10
"""What may come at once where nobody says, as seconds at the key's pace."""

PerSecond = Annotated[int | None, typer.Option(min=1, max=100_000_000, help="How many events it may send each second.")]
AtOnce = Annotated[
    int | None,
    typer.Option(
        min=MOST_EVENTS,
        max=1_000_000_000,
        help="How many at once after a pause, and no fewer than a request may hold; ten seconds' worth where not said.",
    ),
]


@app.command("list")
def list_(workspace: WorkspaceName = DEV) -> None:
    """List the keys in use. Their values are not kept and cannot be shown."""
    asyncio.run(_list(workspace))


@app.command()
def create(
    kind: KeyKind,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[list[Scope] | None, typer.Option(help="What a secret key may do; may be repeated.")] = None,
    origin: Annotated[list[str] | None, typer.Option(help="Who may use a write key; may be repeated.")] = None,
    events_per_second: PerSecond = None,
    events_at_once: AtOnce = None,
    workspace: WorkspaceName = DEV,
) -> None:
    """Make a key and print its value, this once. Without a pace of its own, that of the gateways' settings holds."""
    if kind is KeyKind.SECRET and not scope:
        raise Refused("a secret key needs at least one --scope")
    pace = _pace(events_per_second, events_at_once)
    print(asyncio.run(_create(workspace, kind, name, scope or [], origin or [], pace)))


@app.command()
def pace(
    key: UUID,
    events_per_second: PerSecond = None,
    events_at_once: AtOnce = None,
    workspace: WorkspaceName = DEV,
) -> None:
    """Give a key a pace of its own, within seconds; without a number, that of the gateways' settings again."""
    own = _pace(events_per_second, events_at_once)
    asyncio.run(_set_pace(workspace, key, own))
    print("as all others" if own is None else f"{own.a_second} events a second, {own.at_once} at once")


@app.command()
def revoke(key: UUID, workspace: WorkspaceName = DEV) -> None:
    """Revoke a key by its id; gateways stop taking it within seconds."""
    asyncio.run(_revoke(workspace, key))


async def _list(name: str) -> None:
    async with open_workspace(name) as (connection, workspace):
        keys = await list_keys(connection, workspace)
    for key in keys:
        own = "" if key.pace is None else f", {key.pace.a_second} events/s"
        print(f"{key.id}  {key.kind}  {key.name}{own}")
        # A write key has origins, a secret key scopes: each stands whole, also on a narrow screen.
        words = " ".join([*sorted(key.scopes), *key.origins])
        for line in wrap(words, 76, break_long_words=False, break_on_hyphens=False):
            print(f"    {line}")


async def _create(
    name: str, kind: KeyKind, label: str, scopes: list[Scope], origins: list[str], own: Pace | None
) -> str:
    async with open_workspace(name) as (connection, workspace):
        _, value = await create_key(
            connection, workspace, kind, label, scopes=scopes, origins=origins, pace=own, at=utc_now()
        )
    return value


def _pace(per_second: int | None, at_once: int | None) -> Pace | None:
    if per_second is None:
        if at_once is not None:
            raise Refused("--events-at-once says nothing without --events-per-second")
        return None
    return Pace(per_second, at_once or max(MOST_EVENTS, per_second * _BURST_SECONDS))


async def _set_pace(name: str, key: UUID, own: Pace | None) -> None:
    async with open_workspace(name) as (connection, workspace):
        changed = await set_pace(connection, workspace, key, own)
    if not changed:
        raise Refused("no such key is in use in this workspace", code="not_found")


async def _revoke(name: str, key: UUID) -> None:
    async with open_workspace(name) as (connection, workspace):
        revoked = await revoke_key(connection, workspace, key, utc_now())
    if not revoked:
        raise Refused("no such key is in use in this workspace", code="not_found")
    print("revoked")
