"""`tagway erase`, `tagway export` and `tagway requests`: people's rights from the command line."""

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
import uuid_utils.compat
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from domain.alias import AliasKind
from domain.errors import Refused
from domain.request import Regime, Request, RequestKind, RequestStatus
from gateway.cli.data import find_stores
from gateway.cli.workspace import DEV
from gateway.desk import Office, open_office
from gateway.logs import configure_logs
from gateway.settings import read_settings
from privacy.clock import deadlines
from privacy.pseudonym import aliases_for
from privacy.receipt import is_genuine
from profiles.rights.fetch import fetch_answer
from stores.persons import find_person
from stores.requests import list_requests, open_request, read_request
from stores.workspaces import find_workspace

app = typer.Typer(no_args_is_help=True, help="Follow what people have asked for, and check receipts.")

WorkspaceName = Annotated[str, typer.Option("--workspace", help="Name of the workspace.")]
Email = Annotated[str | None, typer.Option("--email", help="The person's e-mail address, or its SHA-256.")]
Phone = Annotated[str | None, typer.Option("--phone", help="The person's phone number, or its SHA-256.")]
UserId = Annotated[str | None, typer.Option("--user-id", help="The id by which your systems know the person.")]
AnonymousId = Annotated[str | None, typer.Option("--anonymous-id", help="The id of one of the person's browsers.")]
Law = Annotated[Regime, typer.Option("--regime", help="The law whose periods count.")]

_PAUSE = 0.1
_PATIENCE = 120.0
_SHOWN = 50


def erase(
    email: Email = None,
    phone: Phone = None,
    user_id: UserId = None,
    anonymous_id: AnonymousId = None,
    regime: Law = Regime.GDPR,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    workspace: WorkspaceName = DEV,
) -> None:
    """Erase a person everywhere, keep them from coming back, and print the signed receipt."""
    named = _named(email, phone, user_id, anonymous_id)
    if not yes:
        typer.confirm("Erase this person for good?", abort=True, err=True)
    request = asyncio.run(_work(workspace, RequestKind.ERASE, regime, named))
    _print(request.receipt)


def export(
    email: Email = None,
    phone: Phone = None,
    user_id: UserId = None,
    anonymous_id: AnonymousId = None,
    regime: Law = Regime.GDPR,
    portable: Annotated[bool, typer.Option("--portable", help="Only what they provided, ready to import.")] = False,
    workspace: WorkspaceName = DEV,
) -> None:
    """Write everything that is held about a person to the standard output, as JSON."""
    kind = RequestKind.PORTABILITY if portable else RequestKind.ACCESS
    _print(asyncio.run(_export(workspace, kind, regime, _named(email, phone, user_id, anonymous_id))))


@app.command("list")
def list_(
    status: Annotated[RequestStatus | None, typer.Option(help="Only those in this status.")] = None,
    workspace: WorkspaceName = DEV,
) -> None:
    """List the newest requests with their due dates."""
    asyncio.run(_list(workspace, status))


@app.command()
def verify(
    receipt: Annotated[Path, typer.Argument(help="A file with one signed receipt.")],
    key: Annotated[str | None, typer.Option("--key", help="The public key that must have signed it, in hex.")] = None,
) -> None:
    """Check a signed receipt, without asking anyone."""
    try:
        document = msgspec.json.decode(receipt.read_bytes())
    except msgspec.DecodeError:
        raise Refused(f"{receipt.name} is not JSON") from None
    if not is_genuine(document, key):
        raise Refused("this receipt was altered, or signed by another key")
    print(f"genuine, signed by {document['public_key']}")


def _named(
    email: str | None, phone: str | None, user_id: str | None, anonymous_id: str | None
) -> tuple[AliasKind, str]:
    given = {
        AliasKind.EMAIL: email,
        AliasKind.PHONE: phone,
        AliasKind.USER_ID: user_id,
        AliasKind.ANONYMOUS_ID: anonymous_id,
    }
    named = [(kind, value) for kind, value in given.items() if value]
    if len(named) != 1:
        raise Refused("name the person by exactly one of --email, --phone, --user-id and --anonymous-id")
    return named[0]


def _office() -> AbstractAsyncContextManager[Office]:
    """Open the desk on the stores that the settings name; what it logs may not mix with what is written out."""
    configure_logs(level="warning")
    return open_office(find_stores(read_settings()))


async def _export(name: str, kind: RequestKind, regime: Regime, named: tuple[AliasKind, str]) -> Any:
    async with _office() as office:
        workspace = await _workspace(office, name)
        request = await _advance(office, await _open(office, workspace, kind, regime, named))
        return await _fetch(office, request)


async def _work(name: str, kind: RequestKind, regime: Regime, named: tuple[AliasKind, str]) -> Request:
    async with _office() as office:
        workspace = await _workspace(office, name)
        return await _advance(office, await _open(office, workspace, kind, regime, named))


async def _open(
    office: Office, workspace: UUID, kind: RequestKind, regime: Regime, named: tuple[AliasKind, str]
) -> Request:
    keys = await office.workspaces.keys(workspace)
    aliases = keys.everywhere(aliases_for(*named, keys))
    if not aliases:
        raise Refused(f"not a valid {named[0].value}, or a placeholder")
    now = office.clock()
    async with office.database.workspace(workspace) as connection:
        found = await find_person(connection, workspace, aliases=aliases)
        request = Request(
            workspace=workspace,
            id=uuid_utils.compat.uuid7(),
            kind=kind,
            regime=regime,
            actor="cli",
            named=aliases,
            profile_id=found.profiles[0] if found.profiles else None,
            received_at=now,
            due_at=deadlines(kind, regime, now).due_at,
        )
        await open_request(connection, request)
    return request


async def _advance(office: Office, request: Request) -> Request:
    """Work on a request until it is finished, side by side with any builder. Raises `Refused` when it cannot be met."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(request.kind.value, total=1.0)
        while True:
            while await office.desk.advance(request.workspace, request.id):
                progress.update(task, completed=(await _read(office, request)).progress)
            now = await _read(office, request)
            progress.update(task, completed=now.progress)
            if now.finished_at is not None:
                break
            if loop.time() > deadline:
                last = list(now.steps)[-1] if now.steps else "nothing"
                raise Refused(f"request {now.id} has come to {last}; a builder goes on with it: is one running?")
            await asyncio.sleep(_PAUSE)
    if now.status is RequestStatus.FAILED:
        raise Refused(f"request {now.id} failed: {now.error}")
    return now


async def _fetch(office: Office, request: Request) -> Any:
    keys = await office.workspaces.keys(request.workspace)
    async with office.database.workspace(request.workspace) as connection:
        answer = await fetch_answer(connection, keys, request, actor="cli", now=office.clock())
    if answer is None:
        raise Refused("nothing is held about this person", code="not_found")
    return answer


async def _read(office: Office, request: Request) -> Request:
    async with office.database.workspace(request.workspace) as connection:
        found = await read_request(connection, request.workspace, request.id)
    if found is None:
        raise Refused("the request is gone", code="not_found")
    return found


async def _list(name: str, status: RequestStatus | None) -> None:
    async with _office() as office:
        workspace = await _workspace(office, name)
        async with office.database.workspace(workspace) as connection:
            found = await list_requests(connection, workspace, _SHOWN, status=status)
    columns = (Column("id", no_wrap=True, min_width=36), Column("kind", min_width=11, overflow="fold"), "law")
    table = Table(*columns, "status", Column("due", min_width=10, overflow="fold"), box=None, pad_edge=False)
    for request in found:
        late = " overdue" if (request.finished_at or office.clock()) > request.due_at else ""
        table.add_row(
            str(request.id),
            request.kind.value,
            request.regime.value,
            request.status.value,
            f"{request.due_at:%Y-%m-%d}{late}",
        )
    Console().print(table)


async def _workspace(office: Office, name: str) -> UUID:
    async with office.database.across() as connection:
        workspace = await find_workspace(connection, name)
    if workspace is None:
        raise Refused(f"there is no workspace named {name}: see `tagway workspaces`", code="not_found")
    return workspace


def _print(document: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
