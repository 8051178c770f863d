"""A key service of the operator's own, in place of a master key that this process holds."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from uuid import UUID, uuid4

import pytest

from domain.clock import utc_now
from domain.errors import StoreUnavailable
from gateway.provider import open_current, open_provider
from gateway.rotation.master import rotate_master
from gateway.settings import Settings, SettingsError
from gateway.workspace import Workspaces
from privacy.keys import KeyProvider, new_key
from privacy.plan import default_document
from privacy.sealing import Unreadable
from stores.postgres import Database
from stores.workspaces import create_workspace


class Service:
    """A register of keys, which gives out handles only."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.is_open = False

    async def wrap(self, key: bytes) -> bytes:
        handle = b"handle:" + uuid4().bytes
        self.kept[handle] = key
        return handle

    async def unwrap(self, wrapped: bytes) -> bytes:
        if wrapped not in self.kept:
            raise Unreadable("no such handle")
        return self.kept[wrapped]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    """A key service that the settings can name as `shop_keys:open_service`."""
    service = Service()

    @asynccontextmanager
    async def open_service() -> AsyncIterator[KeyProvider]:
        service.is_open = True
        yield service
        service.is_open = False

    module = ModuleType("shop_keys")
    module.__dict__["open_service"] = open_service
    monkeypatch.setitem(sys.modules, "shop_keys", module)
    return service


async def add_workspace(database: Database, provider: KeyProvider, name: str = "shop") -> UUID:
    workspace = uuid4()
    wrapped = await provider.wrap(new_key())
    async with database.across() as connection:
        await create_workspace(connection, workspace, name, wrapped_key=wrapped, plan=default_document(), at=utc_now())
    return workspace


async def test_a_service_wraps_the_keys_of_workspaces_and_is_closed_in_the_end(
    service: Service, database_url: str
) -> None:
    settings = Settings.read({"TAGWAY_KEY_PROVIDER": "shop_keys:open_service", "TAGWAY_PROFILE": "dev"})
    database = await Database.open(database_url, role="worker", max_size=2)
    async with open_provider(settings) as provider:
        assert service.is_open
        workspace = await add_workspace(database, provider)
        keys = await Workspaces(database, provider).keys(workspace)
        assert keys.own in service.kept.values()
    assert not service.is_open
    await database.close()


@pytest.mark.usefixtures("service")
async def test_workspaces_are_taken_over_from_a_master_key_to_a_service(database_url: str) -> None:
    before = Settings(master_key="11" * 32)
    after = Settings(previous_master_key="11" * 32, key_provider="shop_keys:open_service")
    database = await Database.open(database_url, role="worker", max_size=2)
    async with open_provider(before) as provider:
        workspace = await add_workspace(database, provider)
        own = (await Workspaces(database, provider).keys(workspace)).own
    async with open_provider(after) as both, open_current(after) as current:
        with pytest.raises(StoreUnavailable):
            await Workspaces(database, current).keys(workspace)
        assert await rotate_master(database, both, current, lambda *_: None) == 1
        assert await rotate_master(database, both, current, lambda *_: None) == 0
        assert (await Workspaces(database, current).keys(workspace)).own == own
    await database.close()


async def test_a_process_opens_what_is_wrapped_under_the_master_key_to_come(database_url: str) -> None:
    """So that processes can be restarted one after the other, while workspaces are made and keys rotated."""
    first = Settings(master_key="11" * 32, previous_master_key="22" * 32)
    second = Settings(master_key="22" * 32, previous_master_key="11" * 32)
    database = await Database.open(database_url, role="worker", max_size=2)
    async with open_provider(first) as earlier, open_provider(second) as later, open_current(second) as alone:
        made = [await add_workspace(database, each, name) for each, name in ((earlier, "one"), (later, "two"))]
        for provider in (earlier, later):
            for workspace in made:
                await Workspaces(database, provider).keys(workspace)
        with pytest.raises(StoreUnavailable):
            await Workspaces(database, alone).keys(made[0])
        await Workspaces(database, alone).keys(made[1])
    await database.close()


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("name", ["no_such_module:open_service", "shop_keys:nothing"])
async def test_a_service_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        async with open_provider(Settings(key_provider=name)):
            raise AssertionError(name)


@pytest.mark.parametrize("name", ["json:loads", "os:getcwd", "math:pi"])
async def test_what_opens_no_key_service_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} opens no key service"):
        async with open_provider(Settings(key_provider=name)):
            raise AssertionError(name)


@pytest.mark.parametrize("name", ["vault", "a.b:", ":open", "a b:c"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="TAGWAY_KEY_PROVIDER"):
        Settings.read({"TAGWAY_KEY_PROVIDER": name})


def test_production_takes_a_service_instead_of_a_master_key() -> None:
    stores = {"TAGWAY_POSTGRES_URL": "postgresql://db/tagway", "TAGWAY_REDIS_URL": "redis://cache"}
    production = {**stores, "TAGWAY_PROFILE": "production"}
    Settings.read({**production, "TAGWAY_KEY_PROVIDER": "shop_keys:open_service"})
    with pytest.raises(SettingsError, match="MASTER_KEY"):
        Settings.read(production)


def test_the_previous_master_key_is_not_shown() -> None:
    hidden = dict(Settings(previous_master_key="11" * 32).describe())
    assert hidden["TAGWAY_PREVIOUS_MASTER_KEY"] == "(set)"
