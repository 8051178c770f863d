from hashlib import sha256
from hmac import digest as hmac_digest
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alias import AliasKind
from privacy.keys import LocalMasterKey, WorkspaceKeys, new_key
from privacy.sealing import Unreadable
from tests.privacy.conftest import SUBJECT, WORKSPACE

RAW = bytes(range(32))


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
async def test_master_key_unwraps_what_it_wrapped(master: bytes, key: bytes) -> None:
    provider = LocalMasterKey(master)
    wrapped = await provider.wrap(key)
    assert key not in wrapped
    assert await provider.unwrap(wrapped) == key


@pytest.mark.parametrize(
    "wrapped", [b"", b"\x01", b"\x02" + bytes(40), bytes(41), b"\x01" + bytes(40), b"\x01" + bytes(9)]
)
async def test_what_was_not_wrapped_is_unreadable(wrapped: bytes) -> None:
    with pytest.raises(Unreadable):
        await LocalMasterKey(RAW).unwrap(wrapped)


async def test_other_master_key_does_not_unwrap() -> None:
    wrapped = await LocalMasterKey(RAW).wrap(new_key())
    with pytest.raises(Unreadable):
        await LocalMasterKey(new_key()).unwrap(wrapped)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        LocalMasterKey(bytes(length))


def test_data_key_opens_only_in_its_workspace(keys: WorkspaceKeys) -> None:
    wrapped = keys.new_wrapped_key()
    frame = keys.sealer(SUBJECT, wrapped).seal("a", 1)
    again = WorkspaceKeys(WORKSPACE, RAW)
    assert again.sealer(SUBJECT, wrapped).open("a", frame) == 1
    with pytest.raises(Unreadable):
        WorkspaceKeys(uuid4(), RAW).sealer(SUBJECT, wrapped)


def test_every_person_has_a_key_of_their_own(keys: WorkspaceKeys) -> None:
    assert len({keys.new_wrapped_key() for _ in range(100)}) == 100


def test_opened_keys_are_bounded_and_forgotten() -> None:
    keys = WorkspaceKeys(WORKSPACE, RAW, sealers=2)
    people = [(uuid4(), keys.new_wrapped_key()) for _ in range(3)]
    first, second, third = (keys.sealer(*person) for person in people)
    assert keys.sealer(*people[2]) is third
    assert keys.sealer(*people[1]) is second
    assert keys.sealer(*people[0]) is not first
    keys.forget(people[1][0])
    assert keys.sealer(*people[1]) is not second


def test_index_is_a_keyed_hash_that_differs_by_kind_version_and_workspace(keys: WorkspaceKeys) -> None:
    digest = sha256(b"jane").digest()
    alias = keys.alias(AliasKind.USER_ID, digest)
    others = [
        keys.alias(AliasKind.ANONYMOUS_ID, digest),
        keys.alias(AliasKind.USER_ID, digest, version=2),
        WorkspaceKeys(uuid4(), RAW).alias(AliasKind.USER_ID, digest),
        WorkspaceKeys(WORKSPACE, new_key()).alias(AliasKind.USER_ID, digest),
    ]
    assert keys.alias(AliasKind.USER_ID, digest) == alias
    assert len({alias.index, *(each.index for each in others)}) == 5
    key = keys._derive("index/user_id/1")
    assert alias.index == hmac_digest(key, digest, "sha256")


def test_derived_keys_are_pinned() -> None:
    """A change here would orphan every stored alias and key: it needs a new version, not a new vector."""
    keys = WorkspaceKeys(WORKSPACE, RAW)
    assert keys.signing_key("token").hex() == "7b2701974269202616ac6d3f245ecbcf022556cbe8f13fcfb6709abd7fbd7d30"
    assert (
        keys.alias(AliasKind.EMAIL, sha256(b"jane@mail.co").digest()).index.hex()
        == "d3c5a04027e1cc2cb0c3fd0dfb49ae75e96bb71654036ab461b06ed29e4aae74"
    )


def test_signing_keys_differ_by_name(keys: WorkspaceKeys) -> None:
    assert len(keys.signing_key("token")) == 32
    assert keys.signing_key("token") != keys.signing_key("cursor")
