"""A whole installation to be examined."""

from pathlib import Path

import msgspec
import pytest

from gateway.settings import Settings
from privacy.keys import LocalMasterKey, new_key
from tests.fixtures.gateway import MASTER_KEY
from tests.fixtures.world import World


@pytest.fixture
def settings(gateway_settings: Settings, database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return msgspec.structs.replace(
        gateway_settings, postgres_url=database_url, redis_url=redis_url, data=tmp_path, spool_megabytes=1
    )


@pytest.fixture
async def world(world: World) -> World:
    """Its workspace has a key that the master key opens."""
    await world.execute("UPDATE workspace SET wrapped_key = $1", await LocalMasterKey(MASTER_KEY).wrap(new_key()))
    return world
