"""`tagway items`: bring the catalogue in from a file."""

import asyncio
import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import typer
from rich.console import Console

from domain.clock import utc_now
from domain.errors import Refused
from domain.item import Item, fault_of
from gateway.cli.progress import Bar
from gateway.cli.workspace import DEV, WorkspaceName, open_workspace
from stores.items import save_items

_AT_ONCE = 1_000
_COLUMNS = ("id", "name", "category", "price", "image_url", "available")
_FALSE = frozenset({"false", "0", "no", ""})

app = typer.Typer(no_args_is_help=True, help="The catalogue of what can be recommended.")


@app.command("import")
def import_(file: Path, workspace: WorkspaceName = DEV) -> None:
    """Save the items of a CSV file with a header, or of JSON lines. Columns that are not ours become attributes."""
    asyncio.run(_import(workspace, file))


def read_items(path: Path) -> Iterator[Item]:
    """Read items: `product_id` or `id` is needed. Raises `Refused` naming the line, and `OSError`."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        is_json = path.suffix in (".jsonl", ".ndjson", ".json")
        rows = (msgspec.json.decode(line) for line in file if line.strip()) if is_json else csv.DictReader(file)
        number = 1 if is_json else 2
        while True:
            try:
                row = next(rows, None)
                if row is None:
                    return
                yield _item(dict(row))
            except (msgspec.MsgspecError, TypeError, ValueError, csv.Error) as error:
                raise Refused(f"{path.name}, item {number}: {error}") from None
            number += 1


def _item(row: dict[str, Any]) -> Item:
    row = {name: value for name, value in row.items() if value not in (None, "")}
    named = {name: row.pop(name) for name in _COLUMNS if name in row}
    named["id"] = str(row.pop("product_id", named.get("id", "")))
    if not named["id"]:
        raise ValueError("it has no product_id")
    if "price" in named:
        named["price"] = float(named["price"])
    if "available" in named:
        named["available"] = str(named["available"]).lower() not in _FALSE
    attributes = row.pop("attributes", {})
    item = msgspec.convert({**named, "attributes": {**attributes, **row}}, Item)
    if fault := fault_of(item):
        raise ValueError(": ".join(fault))
    return item


async def _import(name: str, path: Path) -> None:
    console = Console(highlight=False)
    saved = 0
    async with open_workspace(name) as (connection, workspace), connection.transaction():
        items = read_items(path)
        with Bar(console) as bar:
            while chunk := list(islice(items, _AT_ONCE)):
                await save_items(connection, workspace, chunk, "operator", utc_now())
                saved += len(chunk)
                bar(f"{saved:,} items", 0.0)
    console.print(f"{saved:,} items saved")
