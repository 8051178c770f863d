from base64 import b64encode
from hashlib import sha256

import pytest

from domain.alias import AliasKind
from privacy.normal import digests_of

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
    assert [digests_of(kind, value) for kind in IDS] == [(), ()]


@pytest.mark.parametrize(
    "value",
    ["test@test.com", "noreply@shop.co", " User@Example.com", sha256(b"").hexdigest(), sha256(b"null").hexdigest()],
)
def test_placeholder_addresses_and_digests_are_no_ids(value: str) -> None:
    assert [digests_of(kind, value) for kind in IDS] == [(), ()]


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "42",
        "jane@shop.co",
        "test@7",
        sha256(b"jane").hexdigest(),
        "nullius",
        "anonymous-17",
        "Nona",
        "aa",
        "000001",
        "1234567890",
    ],
)
def test_ids_that_only_look_alike_pass(value: str) -> None:
    assert all(digests_of(kind, value) for kind in IDS)


@pytest.mark.parametrize(
    "value",
    [
        "test@test.com", "TEST@shop.co", "test@example.com", "noreply@shop.co", "null@null.com", "user@example.com",
        "te.st@gmail.com", "test+jane@gmail.com",
    ],
)  # fmt: skip
def test_placeholder_addresses_are_blocked(value: str) -> None:
    assert digests_of(AliasKind.EMAIL, value) == ()


@pytest.mark.parametrize("value", ["tess@test.com", "person-7@example.com", "contest@shop.co", "usera@example.com"])
def test_addresses_of_people_pass(value: str) -> None:
    assert digests_of(AliasKind.EMAIL, value)


@pytest.mark.parametrize(
    "value",
    [
        "", "null", "undefined", "test@example.com", "test@test.com", "noreply@gmail.com", "0000000000", "+11111111",
    ],
)  # fmt: skip
def test_placeholders_hashed_by_the_client_are_blocked(value: str) -> None:
    digest = sha256(value.encode())
    for written in (digest.hexdigest(), b64encode(digest.digest()).decode()):
        assert [digests_of(kind, written) for kind in (AliasKind.EMAIL, AliasKind.PHONE)] == [(), ()]
