from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alias import AliasKind
from privacy.normal import digest_of, normal_email, normal_form, normal_id, normal_phone


def hexadecimal(text: str | None) -> str:
    assert text is not None
    return sha256(text.encode()).hexdigest()


def test_meta_vectors() -> None:
    assert hexadecimal(normal_email("  John_Smith@gmail.com ")).startswith("62a14e44f765419d")
    phone = normal_phone("+1 (650) 555-1212")
    assert phone == "+16505551212"
    assert hexadecimal(phone.removeprefix("+")).startswith("e323ec626319ca94")


def test_uid2_vectors() -> None:
    email = normal_email("JANESAOIRSE@gmail.com")
    phone = normal_phone("+1 234 567-8901")
    assert email is not None
    assert phone is not None
    assert b64encode(sha256(email.encode()).digest()).startswith(b"ku4mBX7Z")
    assert b64encode(sha256(phone.encode()).digest()).startswith(b"EObwtHBU")


@pytest.mark.parametrize("text", ["", "jane", "jane@", "@mail.example", "jane@localhost", "a b@mail.co", "a@b@mail.co"])
def test_what_is_no_address_has_no_form(text: str) -> None:
    assert normal_email(text) is None


def test_address_keeps_dots_and_suffix() -> None:
    assert normal_email("Jane.Doe+shop@Mail.Co") == "jane.doe+shop@mail.co"


@pytest.mark.parametrize("text", ["", "+", "650 555 1212", "+1 555", "+999 123456789", "phone", "+15555555555"])
def test_what_is_no_international_number_has_no_form(text: str) -> None:
    assert normal_phone(text) is None


@pytest.mark.parametrize("text", ["+44 20 7946 0958", "0044 20 7946 0958", " +44(0)20 7946 0958 "])
def test_spellings_of_one_number_meet(text: str) -> None:
    assert normal_phone(text) == "+442079460958"


def test_ids_are_trimmed_and_nothing_else() -> None:
    assert normal_id(" User-7 ") == "User-7"
    assert normal_id("  ") is None
    assert normal_id("x" * 513) is None


@given(st.emails())
def test_normal_form_is_a_fixed_point(address: str) -> None:
    normal = normal_form(AliasKind.EMAIL, address)
    if normal is not None:
        assert normal_form(AliasKind.EMAIL, normal) == normal
        assert digest_of(AliasKind.EMAIL, f" {address.upper()} ") == digest_of(AliasKind.EMAIL, normal.upper())


@given(st.text())
def test_any_text_has_a_digest_or_none(text: str) -> None:
    for kind in AliasKind:
        digest = digest_of(kind, text)
        assert digest is None or len(digest) == 32


def test_hashed_and_raw_values_meet() -> None:
    raw = digest_of(AliasKind.EMAIL, "Jane@Mail.co")
    assert raw is not None
    assert digest_of(AliasKind.EMAIL, raw.hex()) == raw
    assert digest_of(AliasKind.EMAIL, raw.hex().upper()) == raw


def test_only_mail_and_phone_may_be_hashed_by_the_client() -> None:
    value = "a1" * 32
    assert digest_of(AliasKind.PHONE, value) == bytes.fromhex(value)
    assert digest_of(AliasKind.USER_ID, value) == sha256(value.encode()).digest()
