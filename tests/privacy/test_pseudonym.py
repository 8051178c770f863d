from typing import Any

import pytest

from domain.alias import Alias, AliasKind
from domain.event import CallType
from domain.identity import IdentityRules
from privacy.keys import WorkspaceKeys
from privacy.platform import Platform, digest_for
from privacy.pseudonym import aliases_for, aliases_of
from tests.privacy.conftest import MakeCall

Named = tuple[tuple[AliasKind, str], ...]


def expected(keys: WorkspaceKeys, *named: tuple[AliasKind, str]) -> tuple[Alias, ...]:
    return tuple(alias for kind, value in named for alias in aliases_for(kind, value, keys))


def test_strongest_identifier_comes_first(keys: WorkspaceKeys, identify: MakeCall) -> None:
    call = identify(
        user_id="u-7", anonymous_id="visitor-7", traits={"phone": "+442079460958", "email": "Jane@mail.co", "name": "J"}
    )
    assert aliases_of(call, keys) == expected(
        keys,
        (AliasKind.USER_ID, "u-7"),
        (AliasKind.EMAIL, "jane@mail.co"),
        (AliasKind.PHONE, "+442079460958"),
        (AliasKind.ANONYMOUS_ID, "visitor-7"),
    )


def test_context_traits_of_a_track_count(keys: WorkspaceKeys, make_call: MakeCall) -> None:
    call = make_call(anonymous_id="visitor-7", context={"traits": {"email": "jane@mail.co"}})
    assert [alias.kind for alias in aliases_of(call, keys)] == [AliasKind.EMAIL, AliasKind.ANONYMOUS_ID]


def test_alias_call_links_both_readings_of_its_previous_id(keys: WorkspaceKeys, make_call: MakeCall) -> None:
    call = make_call("alias", kind=CallType.ALIAS, user_id="u-7", previous_id="old-7")
    assert aliases_of(call, keys) == expected(
        keys, (AliasKind.USER_ID, "u-7"), (AliasKind.USER_ID, "old-7"), (AliasKind.ANONYMOUS_ID, "old-7")
    )


def test_cards_devices_and_declared_ids_of_other_systems_name_a_person(
    keys: WorkspaceKeys, make_call: MakeCall
) -> None:
    ids = [
        {"type": "crm", "id": 7},
        {"type": "pos", "id": "7"},
        {"type": "till", "id": "7"},
        {"type": "crm", "id": "null"},
    ]
    call = make_call(
        anonymous_id="visitor-7",
        traits={"loyalty_id": "card-7"},
        context={"device": {"id": "device-7"}, "externalIds": [*ids, "7", {"id": "7"}]},
    )
    rules = IdentityRules(external_ids=("crm", "pos"))
    found = aliases_of(call, keys, rules)
    assert [alias.kind.value for alias in found] == [
        "loyalty_id", "external_id", "external_id", "anonymous_id", "device_id"
    ]  # fmt: skip
    assert found[1] != found[2]
    assert [alias.kind.value for alias in aliases_of(call, keys)] == ["loyalty_id", "anonymous_id", "device_id"]


def test_a_workspace_orders_leaves_out_and_blocks_identifiers(keys: WorkspaceKeys, make_call: MakeCall) -> None:
    call = make_call(user_id="u-7", anonymous_id="visitor-7", context={"device": {"id": "device-7"}})
    rules = IdentityRules(
        priority=(AliasKind.DEVICE_ID,),
        limits={AliasKind.USER_ID: 0},
        blocked=aliases_for(AliasKind.ANONYMOUS_ID, "visitor-8", keys),
    )
    assert [alias.kind for alias in aliases_of(call, keys, rules)] == [AliasKind.DEVICE_ID, AliasKind.ANONYMOUS_ID]
    blocked = IdentityRules(blocked=aliases_for(AliasKind.ANONYMOUS_ID, "visitor-7", keys))
    assert [alias.kind for alias in aliases_of(call, keys, blocked)] == [AliasKind.USER_ID, AliasKind.DEVICE_ID]


def test_group_does_not_lend_the_address_of_its_company(keys: WorkspaceKeys, make_call: MakeCall) -> None:
    call = make_call("group", kind=CallType.GROUP, user_id="u-7", group_id="g", traits={"email": "office@firm.co"})
    assert [alias.kind for alias in aliases_of(call, keys)] == [AliasKind.USER_ID]


def test_one_value_given_twice_is_one_alias(keys: WorkspaceKeys, make_call: MakeCall) -> None:
    call = make_call("alias", kind=CallType.ALIAS, user_id="u-7", previous_id="u-7")
    assert [alias.kind for alias in aliases_of(call, keys)] == [AliasKind.USER_ID, AliasKind.ANONYMOUS_ID]


@pytest.mark.parametrize("value", [None, True, 1.5, [], {}, "null", "test@test.com", "not an address"])
def test_what_is_no_address_makes_no_alias(keys: WorkspaceKeys, identify: MakeCall, value: Any) -> None:
    assert aliases_of(identify(traits={"email": value}), keys) == ()


def test_malformed_context_traits_are_no_identifiers(keys: WorkspaceKeys, make_call: MakeCall) -> None:
    assert aliases_of(make_call(context={"traits": ["email"]}), keys) == ()


def test_lookup_finds_raw_and_hashed_addresses(keys: WorkspaceKeys) -> None:
    raw = aliases_for(AliasKind.EMAIL, " John_Smith@gmail.com", keys)
    hashed = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
    assert aliases_for(AliasKind.EMAIL, hashed, keys) == raw[:1]
    assert raw[1:] == aliases_for(AliasKind.EMAIL, "john_smith@googlemail.com", keys)[:1]


@pytest.mark.parametrize("platform", Platform)
@pytest.mark.parametrize(
    ("kind", "value", "normal"),
    [
        (AliasKind.EMAIL, "Jane.Doe+shop@GMail.com", "jane.doe+shop@gmail.com"),
        (AliasKind.EMAIL, "Jane.Doe+shop@googlemail.com", "jane.doe+shop@googlemail.com"),
        (AliasKind.PHONE, "+44 20 7946 0958", "+442079460958"),
    ],
)
def test_every_platforms_digest_meets_the_raw_value(
    keys: WorkspaceKeys, platform: Platform, kind: AliasKind, value: str, normal: str
) -> None:
    [hashed] = aliases_for(kind, digest_for(platform, kind, normal), keys)
    assert hashed in aliases_for(kind, value, keys)


def test_index_shows_nothing_of_the_value(keys: WorkspaceKeys) -> None:
    [alias] = aliases_for(AliasKind.USER_ID, "u-7", keys)
    assert len(alias.index) == 32
    assert b"u-7" not in alias.index
