import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from domain.clock import utc_now
from domain.key import KeyKind, Scope
from gateway.auth import mint_end_user_token
from gateway.manifest import read_manifest
from gateway.settings import Settings, SettingsError
from gateway.wiring import open_resources
from resolvers.documents import digest
from stores.keys import create_key
from stores.postgres import Database
from tests.fixtures.gateway import Gateway, listening
from tests.patience import AT_ALL

_TRUSTED = "{ viewer { endUser } }"
_OTHER = "{ viewer { workspace } }"
_ID = f"sha256:{digest(_TRUSTED)}"


class Production:
    """A gateway that runs trusted documents only."""

    def __init__(self, url: str, http: aiohttp.ClientSession, visitor: str) -> None:
        self.url = url
        self._http = http
        self.visitor = visitor

    async def ask(self, token: str, accept: str = "application/json", **body: Any) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}", "Accept": accept}
        async with self._http.post(self.url + "/graphql", json=body, headers=headers) as response:
            return response.status, await response.text()

    async def code(self, token: str, **body: Any) -> tuple[int, str]:
        status, text = await self.ask(token, **body)
        return status, json.loads(text)["errors"][0]["extensions"]["code"]


@pytest.fixture
async def production(gateway: Gateway, gateway_settings: Settings, tmp_path: Path) -> AsyncIterator[Production]:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({_ID: _TRUSTED, "named": "query Named { __typename viewer { scopes } }"}))
    settings = msgspec.structs.replace(gateway_settings, profile="production", query_manifest=manifest)
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    visitor = mint_end_user_token(workspace, anonymous_id="a-1", now=utc_now())
    async with open_resources(settings) as resources, listening(resources) as url, aiohttp.ClientSession() as http:
        yield Production(url, http, visitor)


async def test_trusted_documents_are_for_everyone_by_id_and_by_text(production: Production) -> None:
    for body in ({"documentId": _ID}, {"documentId": digest(_TRUSTED)}, {"query": _TRUSTED}):
        status, text = await production.ask(production.visitor, **body)
        assert (status, json.loads(text)["data"]) == (200, {"viewer": {"endUser": True}})
    status, text = await production.ask(production.visitor, documentId="named")
    assert json.loads(text)["data"]["__typename"] == "Query"
    status, text = await production.ask(production.visitor, accept="text/event-stream", documentId=_ID)
    assert (status, '"endUser":true' in text.replace(" ", "")) == (200, True)


async def test_other_documents_need_a_scope_in_production(production: Production, gateway: Gateway) -> None:
    database = await Database.open(gateway.database_url, role="worker", max_size=1)
    async with database.across() as connection:
        scopes = [scope for scope in Scope if scope is not Scope.QUERIES_ADHOC]
        _, narrow = await create_key(
            connection, gateway.tenant.workspace, KeyKind.SECRET, "narrow", scopes=scopes, at=utc_now()
        )
    await database.close()
    for token in (production.visitor, narrow):
        assert await production.code(token, query=_OTHER) == (403, "untrusted_document")
        assert await production.code(token, documentId="sha256:00") == (404, "unknown_document")
    assert (await production.ask(gateway.tenant.secret_key, query=_OTHER))[0] == 200


async def test_a_document_is_remembered_for_keys_that_may_ask_anything(
    production: Production, gateway: Gateway
) -> None:
    key = gateway.tenant.secret_key
    persisted = {"persistedQuery": {"version": 1, "sha256Hash": digest(_OTHER)}}
    assert await production.code(key, extensions=persisted) == (404, "unknown_document")
    assert (await production.ask(key, query=_OTHER, extensions=persisted))[0] == 200
    assert (await production.ask(key, extensions=persisted))[0] == 200
    assert await production.code(production.visitor, extensions=persisted) == (404, "unknown_document")
    wrong = {"persistedQuery": {"version": 1, "sha256Hash": digest(_TRUSTED)}}
    assert await production.code(key, query=_OTHER, extensions=wrong) == (400, "invalid_request")


async def test_sockets_run_trusted_documents_only_as_well(production: Production) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(production.url + "/graphql", protocols=["graphql-transport-ws"]) as socket,
    ):
        await socket.send_json({"type": "connection_init", "payload": {"token": production.visitor}})
        assert (await socket.receive_json(timeout=AT_ALL))["type"] == "connection_ack"
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": _OTHER}})
        refused = await socket.receive_json(timeout=AT_ALL)
        assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "untrusted_document")
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"documentId": _ID}})
        told = await socket.receive_json(timeout=AT_ALL)
        assert (told["type"], told["payload"]["data"]) == ("next", {"viewer": {"endUser": True}})


def test_manifests_come_in_two_shapes(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    apollo = {"format": "apollo-persisted-query-manifest", "operations": [{"id": "a", "body": _TRUSTED, "name": "A"}]}
    for content in (apollo, {"a": _TRUSTED}):
        path.write_text(json.dumps(content))
        assert read_manifest(path) == {"a": _TRUSTED}
    assert read_manifest(None) == {}
    for text in ("[]", "{", '{"a": 1}', '{"operations": [1]}'):
        path.write_text(text)
        with pytest.raises(SettingsError):
            read_manifest(path)
    with pytest.raises(SettingsError):
        read_manifest(tmp_path / "none.json")
