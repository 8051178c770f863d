from hashlib import sha256

import pytest

from domain.alias import AliasKind
from privacy.normal import digest_of

IDS = (AliasKind.USER_ID, AliasKind.ANONYMOUS_ID)


@pytest.mark.parametrize(
    "value",
    [
        "null", "NULL", "None", "undefined", "0", "-1", "anonymous", "guest", "NaN", "true", "[object Object]",
        '"null"', "''", "{}", "  undefined ", "unknown", "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff", "000000", "n/a",
    ],
)  # fmt: skip
def test_placeholders_are_no_ids(value: str) -> None:
    assert [digest_of(kind, value) for kind in IDS] == [None, None]


@pytest.mark.parametrize("value", ["1", "42", "nullius", "anonymous-17", "Nona", "aa", "000001", "1234567890"])
def test_ids_that_only_look_alike_pass(value: str) -> None:
    assert all(digest_of(kind, value) for kind in IDS)


@pytest.mark.parametrize(
    "value",
    ["test@test.com", "TEST@shop.co", "test@example.com", "noreply@shop.co", "null@null.com", "user@example.com"],
)
def test_placeholder_addresses_are_blocked(value: str) -> None:
    assert digest_of(AliasKind.EMAIL, value) is None


@pytest.mark.parametrize("value", ["tess@test.com", "person-7@example.com", "contest@shop.co", "usera@example.com"])
def test_addresses_of_people_pass(value: str) -> None:
    assert digest_of(AliasKind.EMAIL, value)


@pytest.mark.parametrize("value", ["", "null", "undefined", "test@example.com", "test@test.com"])
def test_placeholders_hashed_by_the_client_are_blocked(value: str) -> None:
    assert digest_of(AliasKind.EMAIL, sha256(value.encode()).hexdigest()) is None
