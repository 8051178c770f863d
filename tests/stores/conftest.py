"""A pool of the role that builds, on a database of the test's own."""

from collections.abc import AsyncIterator

import pytest

from stores.postgres import Database


@pytest.fixture
async def worker(database_url: str) -> AsyncIterator[Database]:
    database = await Database.open(database_url, role="worker")
    yield database
    await database.close()
