"""`tagway keys rotate-…`: replace a workspace's keys, or the master key, while everything runs."""

import asyncio
from datetime import timedelta
from typing import Annotated, Final

import typer

from domain.rotation import KeyUse

app = typer.Typer()

ALL: Final = "all"
_LEAST_SETTLE: Final = 6
"""Seconds: a process looks for newer keys every five."""

Workspace = Annotated[str, typer.Option("--workspace", help="Name of the workspace, or `all`.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
Settle = Annotated[int, typer.Option(min=_LEAST_SETTLE, help="Seconds to let every process learn of a change.")]
DestroyOld = Annotated[
    bool, typer.Option("--destroy-old", help="Then destroy the keys that were retired before the horizon.")
]
Horizon = Annotated[int, typer.Option(min=0, help="Days that the oldest backup goes back.")]


@app.command("versions")
def versions(workspace: Workspace = ALL) -> None:
    """List the versions of the keys that wrap data keys and make blind indexes, and where each stands."""
    from gateway.cli import rotating  # noqa: PLC0415  which `tagway keys list` should not wait for

    asyncio.run(rotating.versions(workspace))


@app.command("rotate-kek")
def rotate_kek(
    workspace: Workspace = ALL,
    *,
    dry_run: DryRun = False,
    settle: Settle = 15,
    destroy_old: DestroyOld = False,
    horizon: Horizon = 35,
) -> None:
    """Wrap every person's data key under a new key. Stop it and run it again as you like: it goes on."""
    from gateway.cli import rotating  # noqa: PLC0415  as above

    if dry_run:
        asyncio.run(rotating.foretell(workspace, KeyUse.WRAP))
    else:
        asyncio.run(rotating.rotate_wrapping(workspace, settle, timedelta(days=horizon) if destroy_old else None))


@app.command("rotate-index")
def rotate_index_(workspace: Workspace = ALL, *, dry_run: DryRun = False, settle: Settle = 15) -> None:
    """Bring every blind index to a new key, those of erased people too. Stop it and run it again as you like."""
    from gateway.cli import rotating  # noqa: PLC0415  as above

    if dry_run:
        asyncio.run(rotating.foretell(workspace, KeyUse.INDEX))
    else:
        asyncio.run(rotating.rotate_indexes(workspace, settle))


@app.command("rotate-master")
def rotate_master_() -> None:
    """Wrap the workspaces' keys under a new master key; the old one is named by TAGWAY_PREVIOUS_MASTER_KEY."""
    from gateway.cli import rotating  # noqa: PLC0415  as above

    asyncio.run(rotating.rotate_masters())
