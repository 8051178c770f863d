"""`tagway serve`, `tagway build` and `tagway migrate`: what runs the product where its stores are kept elsewhere."""

import asyncio
from typing import Annotated

import typer

from gateway.cli.data import find_stores
from gateway.settings import read_settings


def serve() -> None:
    """Run the gateway. Run as many as you like: they keep no state."""
    import uvloop  # noqa: PLC0415  the web stack, which the others should not wait for

    from gateway import serve as gateway  # noqa: PLC0415  as above
    from gateway.logs import without_quotes  # noqa: PLC0415  as above

    settings = find_stores(read_settings())
    with without_quotes():
        uvloop.run(gateway.serve(settings))


def build() -> None:
    """Run a profile builder. Run as many as the events topic has partitions."""
    import uvloop  # noqa: PLC0415  as above

    from gateway import build as builder  # noqa: PLC0415  as above
    from gateway.logs import without_quotes  # noqa: PLC0415  as above

    settings = find_stores(read_settings())
    with without_quotes():
        uvloop.run(builder.build(settings))


After = Annotated[
    bool, typer.Option("--after", help="Also what waits until every process of the release before has been stopped.")
]


def migrate(after: After = False) -> None:
    """Bring the database to the schema of this version."""
    settings = find_stores(read_settings())
    settings.needs("postgres_url")
    asyncio.run(_migrate(str(settings.postgres_url), after=after))


async def _migrate(url: str, *, after: bool) -> None:
    from stores.migrate import migrate as apply_migrations  # noqa: PLC0415  as above
    from stores.migrate import pending  # noqa: PLC0415  as above

    applied = await apply_migrations(url, after=after, progress=lambda name: print(f"{name} …"))
    print(f"{len(applied)} migrations applied" if applied else "the schema is up to date")
    if waiting := await pending(url, after=True):
        print(f"once the release before has been stopped, run `tagway migrate --after`: {', '.join(waiting)}")
