from hashlib import sha256
from hmac import digest as hmac_digest
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alias import AliasKind
from domain.rotation import KeyState, KeyUse
from privacy.derive import derive_key
from privacy.keys import LocalMasterKey, OpenedKey, Succession, WorkspaceKeys, new_key
from privacy.sealing import Sealer, Unreadable
from privacy.wrapping import UnknownEpoch, epoch_header, wrap_key
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


async def test_the_previous_master_key_opens_and_wraps_nothing() -> None:
    before, now = new_key(), new_key()
    both = Succession(LocalMasterKey(now), LocalMasterKey(before))
    assert await both.unwrap(await LocalMasterKey(before).wrap(RAW)) == RAW
    assert await LocalMasterKey(now).unwrap(await both.wrap(RAW)) == RAW
    with pytest.raises(Unreadable):
        await both.unwrap(await LocalMasterKey(new_key()).wrap(RAW))


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        LocalMasterKey(bytes(length))


def opened(use: KeyUse, *states: KeyState) -> list[OpenedKey]:
    """Give the versions of one use in these states, each with a key that tells which it is."""
    return [OpenedKey(use, version, state, bytes([version]) * 32) for version, state in enumerate(states, 1)]


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
    keys.forget(people[2][0])
    assert keys.sealer(*people[2]) is not third


def test_opened_keys_are_let_go_after_five_minutes() -> None:
    ticks = [0.0]
    keys = WorkspaceKeys(WORKSPACE, RAW, ticks=lambda: ticks[0])
    person, other = (uuid4(), keys.new_wrapped_key()), (uuid4(), keys.new_wrapped_key())
    sealer = keys.sealer(*person)
    ticks[0] = 299.0
    assert keys.sealer(*person) is sealer
    ticks[0] = 300.0
    assert keys.sealer(*person) is not sealer
    ticks[0] = 600.0
    keys.sealer(*other)
    assert list(keys._sealers) == [other]


@given(st.lists(st.sampled_from([KeyState.RETIRED, KeyState.LEAVING]), max_size=4), st.booleans(), st.data())
def test_any_epoch_that_exists_opens(before: list[KeyState], comes: bool, data: st.DataObject) -> None:
    states = [*before, KeyState.ACTIVE, *([KeyState.COMING] if comes else [])]
    versions = opened(KeyUse.WRAP, *states)
    epoch = data.draw(st.integers(1, len(states)))
    then = [OpenedKey(each.use, each.version, KeyState.ACTIVE, each.key) for each in versions if each.version == epoch]
    wrapped = WorkspaceKeys(WORKSPACE, RAW, then).new_wrapped_key()
    assert wrapped.startswith(epoch_header(epoch))
    frame = WorkspaceKeys(WORKSPACE, RAW, then).sealer(SUBJECT, wrapped).seal("a", 1)
    keys = WorkspaceKeys(WORKSPACE, RAW, versions)
    assert keys.sealer(SUBJECT, wrapped).open("a", frame) == 1
    again = keys.rewrap(wrapped)
    assert again.startswith(epoch_header(keys.epoch))
    assert keys.sealer(SUBJECT, again).open("a", frame) == 1


def test_a_data_key_of_the_first_format_is_of_epoch_1() -> None:
    key = new_key()
    wrapped = wrap_key(derive_key(RAW, WORKSPACE, "wrap/1"), key)
    frame = Sealer(WORKSPACE, SUBJECT, key).seal("a", 1)
    assert WorkspaceKeys(WORKSPACE, RAW).sealer(SUBJECT, wrapped).open("a", frame) == 1


def test_a_destroyed_epoch_opens_nothing() -> None:
    versions = opened(KeyUse.WRAP, KeyState.ACTIVE, KeyState.COMING)
    wrapped = WorkspaceKeys(WORKSPACE, RAW, versions).new_wrapped_key()
    later = [OpenedKey(KeyUse.WRAP, 2, KeyState.ACTIVE, versions[1].key)]
    with pytest.raises(UnknownEpoch):
        WorkspaceKeys(WORKSPACE, RAW, later).sealer(SUBJECT, wrapped)


def test_a_key_is_not_shown_where_it_may_be_logged() -> None:
    assert "key" not in repr(OpenedKey(KeyUse.WRAP, 1, KeyState.ACTIVE, RAW))


def test_index_is_a_keyed_hash_that_differs_by_kind_version_and_workspace(keys: WorkspaceKeys) -> None:
    digest = sha256(b"jane").digest()
    alias = keys.alias(AliasKind.USER_ID, digest)
    others = [
        keys.alias(AliasKind.ANONYMOUS_ID, digest),
        WorkspaceKeys(WORKSPACE, RAW, opened(KeyUse.INDEX, KeyState.RETIRED, KeyState.ACTIVE)).alias(
            AliasKind.USER_ID, digest
        ),
        WorkspaceKeys(uuid4(), RAW).alias(AliasKind.USER_ID, digest),
        WorkspaceKeys(WORKSPACE, new_key()).alias(AliasKind.USER_ID, digest),
    ]
    assert keys.alias(AliasKind.USER_ID, digest) == alias
    assert len({alias.index, *(each.index for each in others)}) == 5
    key = derive_key(RAW, WORKSPACE, "index/user_id/1")
    assert alias.index == hmac_digest(key, digest, "sha256")


@given(st.sampled_from(AliasKind), st.binary(min_size=32, max_size=32), st.integers(1, 4), st.integers(1, 4))
def test_lifting_an_alias_gives_that_of_the_identifier(kind: AliasKind, digest: bytes, start: int, end: int) -> None:
    def at(version: int) -> WorkspaceKeys:
        states = [KeyState.RETIRED] * (version - 1) + [KeyState.ACTIVE]
        return WorkspaceKeys(WORKSPACE, RAW, opened(KeyUse.INDEX, *states))

    earlier, later = sorted((start, end))
    alias = at(earlier).alias(kind, digest)
    assert at(later).lift(alias) == at(later).alias(kind, digest)
    assert at(later).lift(at(later).alias(kind, digest)) == at(later).alias(kind, digest)


def test_an_index_that_is_coming_is_looked_up_beside_the_active_one() -> None:
    digest = sha256(b"jane").digest()
    rotating = WorkspaceKeys(WORKSPACE, RAW, opened(KeyUse.INDEX, KeyState.ACTIVE, KeyState.COMING))
    rotated = WorkspaceKeys(WORKSPACE, RAW, opened(KeyUse.INDEX, KeyState.LEAVING, KeyState.ACTIVE))
    active, coming = rotating.everywhere([rotating.alias(AliasKind.EMAIL, digest)])
    assert (active, coming) == (rotating.alias(AliasKind.EMAIL, digest), rotated.alias(AliasKind.EMAIL, digest))
    assert rotating.coming(active) == coming
    assert rotated.coming(coming) is None
    assert rotated.everywhere([active, coming]) == (coming,)


def test_derived_keys_are_pinned() -> None:
    """A change here would orphan every stored alias and key: it needs a new version, not a new vector."""
    keys = WorkspaceKeys(WORKSPACE, RAW)
    assert keys.signing_key("token").hex() == "7b2701974269202616ac6d3f245ecbcf022556cbe8f13fcfb6709abd7fbd7d30"
    assert (
        keys.alias(AliasKind.EMAIL, sha256(b"jane@mail.co").digest()).index.hex()
        == "d3c5a04027e1cc2cb0c3fd0dfb49ae75e96bb71654036ab461b06ed29e4aae74"
    )


def test_signing_keys_differ_by_name_and_outlive_rotations(keys: WorkspaceKeys) -> None:
    rotated = WorkspaceKeys(WORKSPACE, RAW, opened(KeyUse.WRAP, KeyState.RETIRED, KeyState.ACTIVE))
    assert len(keys.signing_key("token")) == 32
    assert keys.signing_key("token") != keys.signing_key("cursor")
    assert keys.signing_key("token") == rotated.signing_key("token")
