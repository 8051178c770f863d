"""Taking everything that a master key wraps over to the one that takes its place."""

from gateway.rotation.job import Report
from privacy.keys import KeyProvider
from privacy.sealing import Unreadable
from stores.postgres import Database
from stores.workspace_keys import save_rewrapped_key, wrapped_by_master

_WHAT = "wrapping workspace keys anew"


async def rotate_master(database: Database, both: KeyProvider, current: KeyProvider, report: Report) -> int:
    """Wrap every key of every workspace under `current`; return how many that took. May be run again at any time.

    `both` opens what either master key wrapped. Raises `Unreadable` for a key that neither did, `StoreUnavailable`.
    """
    async with database.across() as connection:
        stored = await wrapped_by_master(connection)
    moved = 0
    for done, (workspace, use, version, wrapped) in enumerate(stored, 1):
        try:
            await current.unwrap(wrapped)
        except Unreadable:
            after = await current.wrap(await both.unwrap(wrapped))
            async with database.across() as connection:
                await save_rewrapped_key(connection, workspace, use, version, before=wrapped, after=after)
            moved += 1
        report(_WHAT, done, len(stored))
    return moved
