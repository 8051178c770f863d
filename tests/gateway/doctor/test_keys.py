"""The doctor finds keys that open nothing, and providers of tokens that say nothing."""

import json
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from gateway.cli.data import DataFolder, find_made_key
from gateway.doctor.finding import Finding
from gateway.doctor.keys import check_master_key
from gateway.settings import Settings
from privacy.keys import LocalMasterKey, new_key
from tests.fixtures.doctor import OTHER_KEY, examine
from tests.fixtures.world import World
from tests.gateway.test_issuers import RSA, published


async def test_a_master_key_that_opens_nothing_is_found(settings: Settings, world: World, tmp_path: Path) -> None:
    assert await examine(settings) == (True, [])
    await world.execute(
        "INSERT INTO workspace (id, name, wrapped_key, created_at) VALUES (gen_random_uuid(), 'other', $1, now())",
        await LocalMasterKey(OTHER_KEY).wrap(new_key()),
    )
    well, (wrong,) = await examine(settings)
    assert not well
    assert "master key: well formed, and does not open 1 of 2 keys of workspaces" in wrong
    previous = msgspec.structs.replace(settings, previous_master_key=OTHER_KEY.hex())
    assert await examine(previous) == (True, [])

    made = msgspec.structs.replace(settings, master_key=None)
    assert "none yet" in await check_master_key(find_made_key(made))
    DataFolder(tmp_path).make_master_key()
    with pytest.raises(Finding, match="does not open 2 of 2"):
        await check_master_key(find_made_key(made))


async def test_a_provider_without_usable_keys_is_found(settings: Settings, tmp_path: Path) -> None:
    listed = [{"issuer": "https://login.example/", "audience": "a", "workspace": str(uuid4()), "jwks": "/nowhere"}]
    file = tmp_path / "issuers.json"
    file.write_bytes(msgspec.json.encode(listed))
    _, (wrong,) = await examine(msgspec.structs.replace(settings, token_issuers=file))
    assert "token issuers: no usable keys from https://login.example/" in wrong


async def test_a_provider_that_speaks_for_no_workspace_is_found(
    settings: Settings, world: World, tmp_path: Path
) -> None:
    keys, file = tmp_path / "keys.json", tmp_path / "issuers.json"
    keys.write_text(json.dumps({"keys": [published(RSA, "k1")]}))
    for workspace, wrong in ((world.workspace, []), (uuid4(), ["https://login.example/"])):
        listed = [{"issuer": "https://login.example/", "audience": "a", "workspace": workspace, "jwks": str(keys)}]
        file.write_bytes(msgspec.json.encode(listed))
        _, said = await examine(msgspec.structs.replace(settings, token_issuers=file))
        assert said == [f"✗ token issuers: there is no workspace of the id that is given for {each}" for each in wrong]
