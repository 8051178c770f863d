from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from domain.errors import Refused
from domain.key import Scope
from gateway.auth import END_USER_SCOPES, mint_end_user_token
from gateway.workspace import Workspace
from tests.fixtures.gateway import Gateway, make_tenant


async def test_a_secret_key_speaks_for_its_scopes(gateway: Gateway) -> None:
    principal = await gateway.resources.authenticator.bearer(f"Bearer {gateway.tenant.secret_key}")
    assert (principal.workspace, principal.scopes) == (gateway.tenant.workspace, frozenset(Scope))
    assert not principal.is_end_user


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "missing_key"),
        ("Bearer ", "missing_key"),
        ("Basic abc", "missing_key"),
        ("Bearer unknown", "unknown_key"),
        ("Bearer " + "x" * 10_000, "unknown_key"),
        ("Bearer a.b.c", "invalid_token"),
        ("Bearer ..", "invalid_token"),
    ],
)
async def test_other_headers_speak_for_nobody(gateway: Gateway, header: str | None, code: str) -> None:
    with pytest.raises(Refused) as caught:
        await gateway.resources.authenticator.bearer(header)
    assert caught.value.code == code


async def test_a_write_key_may_not_read(gateway: Gateway) -> None:
    with pytest.raises(Refused) as caught:
        await gateway.resources.authenticator.token(gateway.tenant.write_key)
    assert caught.value.code == "wrong_kind_of_key"


async def test_a_visitor_s_token_speaks_for_that_visitor_alone(gateway: Gateway) -> None:
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    token = mint_end_user_token(workspace, anonymous_id="a1", now=gateway.resources.clock())
    principal = await gateway.resources.authenticator.token(token)
    assert (principal.workspace, principal.anonymous_id, principal.user_id) == (workspace.id, "a1", None)
    assert principal.scopes == END_USER_SCOPES
    assert principal.is_end_user


def _of_another_workspace(workspace: Workspace, claims: dict[str, Any]) -> str:
    return _signed(workspace, {**claims, "ws": str(uuid4())})


def _with_another_key(_workspace: Workspace, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, bytes(32), algorithm="HS256")


def _unsigned(_workspace: Workspace, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", algorithm="none")


def _signed(workspace: Workspace, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, workspace.keys.signing_key("end-user"), algorithm="HS256")


def _changed(**changes: Any) -> Callable[[Workspace, dict[str, Any]], str]:
    def change(workspace: Workspace, claims: dict[str, Any]) -> str:
        kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return _signed(workspace, kept)

    return change


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    "forge",
    [
        _of_another_workspace,
        _with_another_key,
        _unsigned,
        _changed(ws="not-an-id"),
        _changed(ws=None),
        _changed(aud="other"),
        _changed(aud=None),
        _changed(anon=None),
        _changed(anon=""),
        _changed(anon=["a1"]),
        _changed(user="u1"),
        _changed(exp=None),
        _changed(iat=None),
        _changed(exp=NOW - timedelta(seconds=1)),
        _changed(exp=NOW + timedelta(hours=2)),
        _changed(exp=10**30),
        _changed(iat=NOW + timedelta(days=9), exp=NOW + timedelta(days=9, minutes=50)),
    ],
)
async def test_any_other_token_is_refused(gateway: Gateway, forge: Callable[[Workspace, dict[str, Any]], str]) -> None:
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    claims = {
        "ws": str(workspace.id),
        "anon": "a1",
        "aud": "tagway",
        "iat": NOW,
        "exp": NOW + timedelta(minutes=50),
    }
    assert (await gateway.resources.authenticator.token(_signed(workspace, claims))).anonymous_id == "a1"
    with pytest.raises(Refused) as caught:
        await gateway.resources.authenticator.token(forge(workspace, claims))
    assert caught.value.code == "invalid_token"


async def test_a_token_of_a_gateway_whose_clock_is_ahead_is_good(gateway: Gateway) -> None:
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    token = mint_end_user_token(workspace, anonymous_id="a1", now=gateway.resources.clock() + timedelta(minutes=4))
    assert (await gateway.resources.authenticator.token(token)).anonymous_id == "a1"


async def test_a_token_of_one_workspace_does_not_open_another(gateway: Gateway) -> None:
    other = await make_tenant(gateway.database_url, "other")
    theirs = await gateway.resources.workspaces.get(other.workspace)
    ours = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    forged = jwt.encode(
        {"ws": str(theirs.id), "anon": "a1", "aud": "tagway", "iat": NOW, "exp": NOW + timedelta(minutes=5)},
        ours.keys.signing_key("end-user"),
        algorithm="HS256",
    )
    with pytest.raises(Refused):
        await gateway.resources.authenticator.token(forged)


async def test_a_token_names_exactly_one_person(gateway: Gateway) -> None:
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    with pytest.raises(ValueError, match="one"):
        mint_end_user_token(workspace, now=NOW)
    with pytest.raises(ValueError, match="one"):
        mint_end_user_token(workspace, anonymous_id="a", user_id="u", now=NOW)
