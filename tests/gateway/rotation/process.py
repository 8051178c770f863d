"""Rotations in a process of their own, so that a test may kill it: `wrap|index URL WORKSPACE MASTER_KEY`."""

import asyncio
import sys
from datetime import timedelta
from uuid import UUID

from domain.clock import utc_now
from gateway.rotation.index import rotate_index
from gateway.rotation.job import LANES, Job
from gateway.rotation.wrap import rotate_wrap
from gateway.workspace import Workspaces
from privacy.keys import LocalMasterKey
from stores.postgres import Database


async def main(what: str, url: str, workspace: str, master_key: str) -> None:
    database = await Database.open(url, role="worker", max_size=LANES + 1)
    provider = LocalMasterKey(bytes.fromhex(master_key))
    job = Job(database, provider, Workspaces(database, provider), utc_now, lambda *_: None, timedelta(0))
    await (rotate_wrap if what == "wrap" else rotate_index)(job, [UUID(workspace)])
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
