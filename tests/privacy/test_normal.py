from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alias import AliasKind
from privacy.normal import digests_of, normal_email, normal_form, normal_id, normal_phone, read_digest


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
        assert digests_of(AliasKind.EMAIL, f" {address.upper()} ") == digests_of(AliasKind.EMAIL, normal.upper())


@given(st.text())
def test_any_text_has_a_digest_or_none(text: str) -> None:
    for kind in AliasKind:
        assert all(len(digest) == 32 for digest in digests_of(kind, text))


def test_hashed_and_raw_values_meet() -> None:
    raw = digests_of(AliasKind.EMAIL, "Jane@Mail.co")
    [digest] = raw
    for written in (digest.hex(), digest.hex().upper(), b64encode(digest).decode(), urlsafe_b64encode(digest).decode()):
        assert digests_of(AliasKind.EMAIL, f" {written} ") == raw


@given(st.binary(min_size=32, max_size=32))
def test_a_digest_is_read_in_each_encoding(digest: bytes) -> None:
    for written in (digest.hex(), b64encode(digest).decode(), urlsafe_b64encode(digest).decode()):
        assert read_digest(written) == digest


@pytest.mark.parametrize("text", ["", "ab" * 31, "ab" * 33, "gg" * 32, "A" * 44, "A" * 42 + "==", "A" * 42 + "+_"])
def test_what_is_no_digest_is_not_read(text: str) -> None:
    assert read_digest(text) is None


def test_only_mail_and_phone_may_be_hashed_by_the_client() -> None:
    value = "a1" * 32
    assert digests_of(AliasKind.PHONE, value) == (bytes.fromhex(value),)
    assert digests_of(AliasKind.USER_ID, value) == (sha256(value.encode()).digest(),)
