import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from domain.clock import utc_now
from gateway.metrics import Metrics
from gateway.rotation.job import Job
from gateway.subjects import Subjects
from gateway.workspace import Workspaces
from privacy.keys import LocalMasterKey, WorkspaceKeys
from stores.postgres import Database
from stores.subject_cache import SubjectCache
from tests.fixtures.gateway import MASTER_KEY, REPOSITORY, Gateway

View = tuple[Workspaces, Subjects]
"""What one gateway knows of keys, and how it looks people up."""


async def start_rotation(what: str, gateway: Gateway) -> asyncio.subprocess.Process:
    """Start a rotation in a process of its own, to be killed."""
    arguments = (what, gateway.database_url, str(gateway.tenant.workspace), MASTER_KEY.hex())
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.gateway.rotation.process", *arguments, cwd=REPOSITORY
    )


@pytest.fixture
async def worker(gateway: Gateway) -> AsyncIterator[Database]:
    database = await Database.open(gateway.database_url, role="worker", max_size=4)
    yield database
    await database.close()


@pytest.fixture
def job(worker: Database) -> Job:
    """A rotation that waits for nobody: what others know is up to the test."""
    provider = LocalMasterKey(MASTER_KEY)
    return Job(worker, provider, Workspaces(worker, provider), utc_now, lambda *_: None, timedelta(0))


@pytest.fixture
def make_view(gateway: Gateway) -> Callable[[], Awaitable[View]]:
    """Open the eyes of one more gateway, on the keys as they are now."""

    async def make() -> View:
        resources = gateway.resources
        workspaces = Workspaces(resources.database, LocalMasterKey(MASTER_KEY))
        await workspaces.get(gateway.tenant.workspace)
        cache = SubjectCache(resources.redis)
        return workspaces, Subjects(resources.database, workspaces, cache, utc_now, Metrics())

    return make


@pytest.fixture
def refresh(gateway: Gateway, job: Job) -> Callable[[], Awaitable[WorkspaceKeys]]:
    """Let the gateway that serves know of the last change, as it does by itself within seconds."""

    async def refresh() -> WorkspaceKeys:
        stamp = (await job.keys(gateway.tenant.workspace)).stamp
        return await gateway.resources.workspaces.keys(gateway.tenant.workspace, stamp)

    return refresh
