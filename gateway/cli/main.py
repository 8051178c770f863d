"""The command line. Every failure that a user can act on ends in one clear line and a non-zero exit."""

import asyncio
import sys

import typer

from domain.errors import TagwayError
from gateway.cli import (
    access_log,
    dead_letters,
    identity,
    items,
    keys,
    ledger,
    people,
    plan,
    requests,
    rotation,
    segments,
    sites,
    workspaces,
)
from gateway.cli.data import AlreadyUp, find_stores
from gateway.cli.doctor import doctor
from gateway.cli.evaluate import evaluate
from gateway.cli.keeper import Moved
from gateway.cli.replay import replay
from gateway.cli.sweep import sweep
from gateway.cli.train import train
from gateway.cli.up import up
from gateway.settings import SettingsError, read_settings
from stores.embedded.binaries import BinariesMissing
from stores.embedded.server import HomeInUse, ServerFailed
from stores.migrate import MigrationRefused
from stores.migrate import migrate as apply_migrations

_EXPECTED = (
    AlreadyUp,
    BinariesMissing,
    HomeInUse,
    MigrationRefused,
    Moved,
    OSError,  # a folder we may not write, a disk that is full: its text names the place
    ServerFailed,
    SettingsError,
    TagwayError,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Customer-data gateway: consent-gated events in, sealed profiles and live segments out.",
)
app.command()(up)
app.command()(doctor)
app.command()(evaluate)
app.command()(train)
app.add_typer(access_log.app, name="access-log")
app.add_typer(dead_letters.app, name="deadletters")
app.command()(requests.erase)
app.command()(requests.export)
app.add_typer(requests.app, name="requests")
keys.app.add_typer(rotation.app)
app.add_typer(keys.app, name="keys")
app.add_typer(items.app, name="items")
app.add_typer(sites.app, name="sites")
app.add_typer(workspaces.app, name="workspaces")
app.add_typer(ledger.app, name="ledger")
app.add_typer(plan.app, name="plan")
app.add_typer(identity.app, name="identity")
app.add_typer(people.app, name="import")
app.add_typer(segments.app, name="segments")
app.command()(sweep)
app.command()(replay)


@app.command()
def serve() -> None:
    """Run the gateway. Run as many as you like: they keep no state."""
    import uvloop  # noqa: PLC0415  the web stack, which no other command should wait for

    from gateway import serve as gateway  # noqa: PLC0415  as above

    uvloop.run(gateway.serve(find_stores(read_settings())))


@app.command()
def build() -> None:
    """Run a profile builder. Run as many as the events topic has partitions."""
    import uvloop  # noqa: PLC0415  as above

    from gateway import build as builder  # noqa: PLC0415  as above

    uvloop.run(builder.build(find_stores(read_settings())))


@app.command()
def migrate() -> None:
    """Bring the database to the schema of this version."""
    settings = find_stores(read_settings())
    settings.needs("postgres_url")
    applied = asyncio.run(apply_migrations(str(settings.postgres_url), progress=lambda name: print(f"{name} …")))
    print(f"{len(applied)} migrations applied" if applied else "the schema is up to date")


def main() -> None:
    """Run the command line."""
    try:
        app()
    except _EXPECTED as error:
        print(f"tagway: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
