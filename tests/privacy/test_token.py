import re
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given
from hypothesis import strategies as st

from privacy.keys import WorkspaceKeys
from privacy.sealing import Unreadable
from privacy.token import PartnerAliases, is_partner, new_token, token_hash

KEYS = WorkspaceKeys(UUID(int=7), bytes(range(32)))
ALIASES = PartnerAliases(KEYS, "mailer")


def test_published_vector_of_the_cipher() -> None:
    """RFC 5297, A.1."""
    key = bytes.fromhex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    data = bytes.fromhex("101112131415161718191a1b1c1d1e1f2021222324252627")
    sealed = AESSIV(key).encrypt(bytes.fromhex("112233445566778899aabbccddee"), [data])
    assert sealed.hex() == "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"


def test_a_token_says_nothing_and_is_never_drawn_twice() -> None:
    tokens = {new_token() for _ in range(1_000)}
    assert len(tokens) == 1_000
    assert all(re.fullmatch(r"tok_[a-z2-7]{32}", token) for token in tokens)


def test_a_token_shaped_as_an_address_is_the_same_token() -> None:
    token = new_token(as_email=True)
    assert token.endswith("@token.invalid")
    assert token_hash(token) == token_hash(token.removesuffix("@token.invalid")) == token_hash(f" {token.upper()} ")


@given(st.text(min_size=1))
def test_an_alias_opens_to_its_value_and_is_the_same_each_time(value: str) -> None:
    alias = ALIASES.make("traits.email", value)
    assert ALIASES.open("traits.email", alias) == value
    assert PartnerAliases(KEYS, "mailer").make("traits.email", value) == alias


def test_an_alias_differs_by_partner_field_and_workspace() -> None:
    other_keys = WorkspaceKeys(uuid4(), bytes(range(32)))
    makers = (ALIASES, PartnerAliases(KEYS, "printer"), PartnerAliases(other_keys, "mailer"))
    made = {maker.make(path, "jane@mail.co") for maker in makers for path in ("traits.email", "traits.phone")}
    assert len(made) == 6


@pytest.mark.parametrize(
    "aliases",
    [PartnerAliases(KEYS, "printer"), PartnerAliases(WorkspaceKeys(UUID(int=8), bytes(range(32))), "mailer")],
)
def test_an_alias_opens_for_its_own_partner_only(aliases: PartnerAliases) -> None:
    with pytest.raises(Unreadable):
        aliases.open("traits.email", ALIASES.make("traits.email", "jane@mail.co"))


def test_an_alias_opens_at_its_own_field_only() -> None:
    with pytest.raises(Unreadable):
        ALIASES.open("traits.phone", ALIASES.make("traits.email", "jane@mail.co"))


@given(st.one_of(st.text(), st.from_regex(r"pal_[A-Za-z0-9_-]{20,60}", fullmatch=True)))
def test_what_is_no_alias_does_not_open(text: str) -> None:
    with pytest.raises(Unreadable):
        ALIASES.open("traits.email", text)


@pytest.mark.parametrize("name", ["", "Mailer", "-m", "a b", "a/b", "m" * 65])
def test_partners_have_plain_names(name: str) -> None:
    assert not is_partner(name)
    with pytest.raises(ValueError, match="partner"):
        PartnerAliases(KEYS, name)
