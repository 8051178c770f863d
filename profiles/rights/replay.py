"""After an old backup was restored: whoever the journal says is erased is erased again."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from domain.alias import Alias
from domain.clock import Clock
from domain.request import Found
from privacy.keys import WorkspaceKeys
from privacy.ledger.closing import closing_key
from profiles.notary import told_keys
from profiles.rights.erase import log_keys
from stores.erasure import erase_person, erased_among, unsuppressed
from stores.faults import transaction
from stores.journal import Entry
from stores.persons import find_person
from stores.postgres import Connection, Database
from stores.segments import hold_definitions
from stores.workspace_keys import read_stamp
from stores.workspaces import read_workspace

OpenKeys = Callable[[UUID, int], Awaitable[WorkspaceKeys]]


class Replayed:
    """Who was brought back and is gone again: what is to be forgotten of them elsewhere."""

    def __init__(self) -> None:
        self.entries = 0
        """How many erasures were looked at."""
        self.found: list[tuple[UUID, Found]] = []
        """Workspace and person of each that had to be done again."""

    def log_keys(self) -> list[bytes]:
        """List the keys of their records on the log."""
        return [key for _, found in self.found for key in log_keys(found)]

    def consent_keys(self) -> list[bytes]:
        """List the keys of what was told of their consent."""
        return [key for _, found in self.found for key in told_keys(found.subjects)]

    def aliases(self) -> dict[UUID, list[Alias]]:
        """List their identifiers by workspace."""
        aliases: dict[UUID, list[Alias]] = {}
        for workspace, found in self.found:
            aliases.setdefault(workspace, []).extend(found.aliases)
        return aliases


async def replay(database: Database, entries: Iterable[Entry], clock: Clock, open_keys: OpenKeys) -> Replayed:
    """Go through a journal and erase again whoever is back. Entries of workspaces that are gone are passed over.

    `open_keys` gives the keys of a workspace, under which older entries are looked up.
    Raises `StoreUnavailable`, `Contended`.
    """
    done = Replayed()
    async with database.across() as connection:
        for entry in entries:
            done.entries += 1
            if await read_workspace(connection, entry.workspace) is None:
                continue
            keys = await open_keys(entry.workspace, await read_stamp(connection, entry.workspace))
            current = msgspec.structs.replace(entry, aliases=keys.everywhere(entry.aliases))
            if await _is_back(connection, current):
                async with transaction(connection):
                    await _again(connection, current, clock(), closing_key(keys), done)
    return done


async def _is_back(connection: Connection, entry: Entry) -> bool:
    """Tell whether a database is older than an erasure: then it lacks the marks that the erasure left."""
    marked = await erased_among(connection, entry.workspace, entry.subjects)
    return not marked.issuperset(entry.subjects) or bool(await unsuppressed(connection, entry.workspace, entry.aliases))


async def _again(connection: Connection, entry: Entry, at: datetime, key: bytes, done: Replayed) -> None:
    await hold_definitions(connection, entry.workspace)
    found = await find_person(connection, entry.workspace, aliases=entry.aliases, subjects=entry.subjects)
    # Those whom this backup does not know yet are marked too: a log that is younger still holds their events.
    found = msgspec.structs.replace(found, subjects=tuple(dict.fromkeys([*found.subjects, *entry.subjects])))
    await erase_person(connection, entry.workspace, found, request=None, at=at, closing_key=key)
    done.found.append((entry.workspace, found))
