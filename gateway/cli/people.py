"""`tagway import people`: bring people in from a file."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from domain.consent import CONSENTABLE, Purpose, State
from domain.errors import Refused
from domain.outcome import Outcome
from gateway.cli.data import find_stores
from gateway.cli.progress import Bar
from gateway.cli.workspace import DEV, WorkspaceName, open_workspace
from gateway.logs import configure_logs
from gateway.settings import read_settings
from privacy.plan import Basis
from resolvers.moment import in_utc

if TYPE_CHECKING:  # the collect path takes a second to load, which no other command should wait for
    from gateway.people.importer import Brought, Terms

_SHOWN: Final = 50
_WORDS: Final = {
    Outcome.ACCEPTED: "brought in",
    Outcome.DUPLICATE: "known from before, or twice in the file",
    Outcome.DROPPED_CONSENT: "left out: not consented to",
    Outcome.DROPPED_SUPPRESSED: "left out: erased",
    Outcome.INVALID: "left out: cannot be taken",
}

app = typer.Typer(no_args_is_help=True, help="Bring in what other systems hold.")


@app.callback()
def import_() -> None:
    """Bring in what other systems hold."""


@app.command()
def people(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV with a header, or JSON lines.")],
    source: Annotated[str, typer.Option(help="Name of the system that states the traits.")] = "import",
    column: Annotated[list[str] | None, typer.Option(help="COLUMN=NAME: what a column is; may be repeated.")] = None,
    purposes: Annotated[
        str | None, typer.Option(help="Purposes that you answer for, of every row: analytics,functional.")
    ] = None,
    basis: Annotated[Basis | None, typer.Option(help="The basis that you answer for them on.")] = None,
    at: Annotated[datetime | None, typer.Option(help="When the file was true, UTC; else now.")] = None,
    compare: Annotated[
        bool | None, typer.Option("--compare/--no-compare", help="Look for people who are in it twice.")
    ] = None,
    workspace: WorkspaceName = DEV,
) -> None:
    """Bring people in, row by row, as far as consent and the tracking plan allow. Run it again as you like."""
    from gateway.people.importer import Terms  # noqa: PLC0415 - as above

    granted = _purposes(purposes)
    if bool(granted) != (basis is not None):
        raise Refused("--purposes and --basis belong together: what for, and on what basis")
    terms = Terms(
        source=source,
        at=in_utc(at),
        declared=dict.fromkeys(granted, State.GRANTED),
        basis=basis.value if basis else "",
        columns=dict(map(_column, column or [])),
        compare=compare,
    )
    configure_logs(level="warning")
    asyncio.run(_import(workspace, file, terms))


async def _import(name: str, file: Path, terms: "Terms") -> None:
    from gateway.people.importer import open_importer  # noqa: PLC0415 - as above
    from gateway.people.rows import read_rows  # noqa: PLC0415 - as above

    console = Console(highlight=False)
    async with open_workspace(name) as (_, workspace):
        pass
    async with open_importer(find_stores(read_settings())) as importer:
        with Bar(console) as bar:
            brought = await importer.run(
                workspace, read_rows(file), terms, lambda rows, share: bar(f"{rows:,} rows", share)
            )
    _tell(console, brought)
    if brought.problems:
        raise Refused(f"{len(brought.problems):,} of {brought.rows:,} rows were not taken")


def _tell(console: Console, brought: "Brought") -> None:
    for problem in brought.problems[:_SHOWN]:
        console.print(f"line {problem.line}: {problem.text}", soft_wrap=True, markup=False)
    if len(brought.problems) > _SHOWN:
        console.print(f"… and {len(brought.problems) - _SHOWN:,} more lines")
    for outcome, words in _WORDS.items():
        if number := brought.outcomes[outcome]:
            console.print(f"{number:,} rows {words}")
    for (path, reason), number in brought.left_out.most_common(_SHOWN):
        console.print(f"{path} was left out of {number:,} rows: {reason}", markup=False)
    if brought.alike:
        console.print(f"{len(brought.alike):,} pairs may be one person and wait for review")
        table = Table("line", "other line", "alike", "by field", box=None)
        for each in brought.alike[:_SHOWN]:
            by_field = ", ".join(f"{name} {score:.2f}" for name, score in each.likeness.fields.items())
            table.add_row(str(each.line), str(each.other_line), f"{each.likeness.score:.2f}", by_field)
        console.print(table)


def _purposes(text: str | None) -> list[Purpose]:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    known = {purpose.value: purpose for purpose in CONSENTABLE}
    if unknown := sorted(set(names) - known.keys()):
        raise Refused(f"{unknown[0]} is not a purpose: {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)]


def _column(text: str) -> tuple[str, str]:
    column, sign, name = text.rpartition("=")
    if not sign or not column:
        raise Refused(f"--column {text}: is not COLUMN=NAME")
    return column.strip(), name.strip()
