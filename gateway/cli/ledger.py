"""`tagway ledger`: verify the consent ledger, prove events by it, and check proofs without it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from domain.clock import utc_now
from domain.errors import Refused
from gateway.cli.data import find_stores
from gateway.cli.workspace import DEV, WorkspaceName, named_workspace
from gateway.database import open_database
from gateway.provider import open_provider
from gateway.settings import read_settings
from gateway.workspace import Workspaces
from privacy.keys import WorkspaceKeys
from privacy.ledger.audit import Audit, Broken, misplaced_nodes
from privacy.ledger.checkpoint import Signer, Untrusted, read_checkpoint
from privacy.ledger.closing import check_closed, closing_key
from privacy.ledger.proof import check_proof, encode_proof, read_proof
from privacy.ledger.standing import Comparison
from stores.ledger.closings import closed_after, read_closed
from stores.ledger.heads import Head, list_checkpoints, read_head, sign_head
from stores.ledger.proofs import prove_events, read_nodes, read_rows
from stores.ledger.standing import ledger_begun, list_subjects, read_opened, read_stored
from stores.postgres import Connection

app = typer.Typer(no_args_is_help=True, help="Verify the consent ledger, prove events by it, check proofs.")

PublicKey = Annotated[str | None, typer.Option(help="The ledger's public key, as `tagway ledger head` prints it.")]

_NOT_PROVEN: Final = 2
_AT_ONCE: Final = 32 * 256
_PEOPLE_AT_ONCE: Final = 1_000


@app.command()
def verify(
    workspace: WorkspaceName = DEV,
    since: Annotated[Path | None, typer.Option(help="A signed head kept elsewhere, to go on from.")] = None,
) -> None:
    """Check every record, the tree, every signed head, and that the stored words are those of the records.

    Exits with 2 and names the first record, or the first stored word, that is not as it was written.
    """
    kept = None if since is None else since.read_text()
    problem = asyncio.run(_verify(workspace, kept))
    if problem is not None:
        print(f"not intact: {problem}")
        sys.exit(_NOT_PROVEN)


@app.command()
def prove(
    message_id: Annotated[list[str], typer.Option(help="An event's message id; may be repeated.")],
    workspace: WorkspaceName = DEV,
) -> None:
    """Print the proof of the consent that events were processed on."""
    asyncio.run(_prove(workspace, message_id))


@app.command()
def check(proof: Path, public_key: PublicKey = None) -> None:
    """Check a proof. Needs no store and no settings. Exits with 2 when an event is not proven."""
    try:
        findings = check_proof(read_proof(proof.read_bytes()), public_key)
    except Untrusted as error:
        print(f"not proven: {error}")
        sys.exit(_NOT_PROVEN)
    for finding in findings:
        print(f"{finding.message_id}: {'proven' if finding.problem is None else f'not proven: {finding.problem}'}")
    if not findings or any(finding.problem for finding in findings):
        sys.exit(_NOT_PROVEN)
    if public_key is None:
        print("by the key that the proof itself names: compare it with the one you were given, or use --public-key")


@app.command()
def head(workspace: WorkspaceName = DEV) -> None:
    """Sign the ledger as it is now; print its signed head, and its public key to standard error."""
    asyncio.run(_head(workspace))


async def _verify(name: str, kept: str | None) -> str | None:
    async with _ledger(name) as (connection, keys, signer):
        try:
            print(await examine(connection, keys, signer.public_key, kept))
        except (Broken, Untrusted) as error:
            return str(error)
    return None


async def examine(connection: Connection, keys: WorkspaceKeys, public_key: str, kept: str | None = None) -> str:
    """Verify a whole ledger and say what it is; `kept` is a signed head that it must go on from.

    Works on one snapshot: what is appended meanwhile does not count, and nothing waits for it. Raises `Broken`, and
    `Untrusted` for a head.
    """
    workspace = keys.workspace
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        heads = _heads(await list_checkpoints(connection, workspace), kept, public_key)
        try:
            end = await read_head(connection, workspace)
        except ValueError as error:
            raise Broken("the head is not one of a ledger") from error
        audit = Audit(heads)
        await _audit(connection, workspace, audit, end)
        wrong = misplaced_nodes(await read_nodes(connection, workspace), audit.nodes)
        if wrong:
            raise Broken(f"the tree holds wrong hashes, the first at level {wrong[0][0]}, index {wrong[0][1]}")
        words = await _compare(connection, workspace)
        marked, earlier = await _closed(connection, workspace, closing_key(keys))
    return "\n".join(
        (
            f"intact: {end.size} records, {len(heads)} signed heads",
            f"{words.compared} words in force, as recorded; {words.unrecorded} from before the ledger",
            f"{marked} records of people who are gone; {earlier} such from before these were marked",
            f"root {end.root.hex()}",
            f"key  {public_key}",
        )
    )


async def _audit(connection: Connection, workspace: UUID, audit: Audit, end: Head) -> None:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("verifying", total=end.size)
        while rows := await read_rows(connection, workspace, audit.size, _AT_ONCE):
            audit.take(rows)
            progress.update(task, completed=audit.size)
    audit.finish(end.size, end.root, end.hash)


async def _compare(connection: Connection, workspace: UUID) -> Comparison:
    """Hold the stored words to the records. Of people who were erased neither has anything."""
    comparison = Comparison(await ledger_begun(connection, workspace))
    after = UUID(int=0)
    while subjects := await list_subjects(connection, workspace, after, _PEOPLE_AT_ONCE):
        stored = await read_stored(connection, workspace, subjects)
        comparison.take(stored, await read_opened(connection, workspace, subjects))
        after = subjects[-1]
    return comparison


async def _closed(connection: Connection, workspace: UUID, key: bytes) -> tuple[int, int]:
    """Check that every record that cannot be opened any more went with its person."""
    after, seq = await closed_after(connection, workspace), 0
    marked = earlier = 0
    while closed := await read_closed(connection, workspace, seq, _AT_ONCE):
        found = check_closed(closed, key, after)
        marked, earlier, seq = marked + found[0], earlier + found[1], closed[-1].seq
    return marked, earlier


def _heads(notes: list[tuple[int, str]], kept: str | None, public_key: str) -> dict[int, bytes]:
    """Read what was signed. Raises `Untrusted` with the head that is not."""
    heads: dict[int, bytes] = {}
    for size, note in notes:
        try:
            found = read_checkpoint(note, public_key)
        except Untrusted as error:
            raise Untrusted(f"the head at {size} records is forged: {error}") from None
        if found.size != size:
            raise Untrusted(f"the head at {size} records is that of {found.size}")
        heads[size] = found.root
    if kept is not None:
        found = read_checkpoint(kept, public_key)
        if heads.setdefault(found.size, found.root) != found.root:
            raise Untrusted(f"the ledger was signed differently at {found.size} records: this is another history")
    heads.pop(0, None)
    return heads


async def _prove(name: str, message_ids: list[str]) -> None:
    async with _ledger(name) as (connection, keys, signer):
        proof = await prove_events(connection, keys.workspace, message_ids, signer, utc_now())
    missing = {*message_ids} - {event.message_id for event in proof.events}
    if missing:
        raise Refused(f"there is no event with the message id {min(missing)}", code="not_found")
    print(msgspec.json.format(encode_proof(proof)).decode())


async def _head(name: str) -> None:
    async with _ledger(name) as (connection, keys, signer):
        note = await sign_head(connection, keys.workspace, signer, utc_now())
    print(note, end="")
    print(f"public key: {signer.public_key}", file=sys.stderr)


@asynccontextmanager
async def _ledger(name: str) -> AsyncIterator[tuple[Connection, WorkspaceKeys, Signer]]:
    """Lend a worker connection, the keys of the workspace of this name and who signs for it."""
    settings = find_stores(read_settings())
    async with (
        open_database(settings, connections=2) as database,
        open_provider(settings) as provider,
        database.across() as connection,
    ):
        workspace = await named_workspace(connection, name)
        keys = await Workspaces(database, provider).keys(workspace)
        yield connection, keys, Signer(workspace, keys.signing_key("ledger"))
