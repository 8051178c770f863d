from base64 import b64decode
from hashlib import sha256

import pytest

from domain.alias import AliasKind
from privacy.normal import digests_of
from privacy.platform import Platform, digest_for, email_for, phone_for, spellings

DOTTED = "Jane.Doe+shop"


@pytest.mark.parametrize(
    ("platform", "address", "spelled"),
    [
        (Platform.GOOGLE, f" {DOTTED}@GMail.com ", "janedoe@gmail.com"),
        (Platform.GOOGLE, f"{DOTTED}@googlemail.com", "janedoe@googlemail.com"),
        (Platform.GOOGLE, f"{DOTTED}@mail.co", "jane.doe+shop@mail.co"),
        (Platform.GOOGLE, "jane doe@mail.co", "janedoe@mail.co"),
        (Platform.META, f" {DOTTED}@GMail.com ", "jane.doe+shop@gmail.com"),
        (Platform.UID2, f" {DOTTED}@GMail.com ", "janedoe@gmail.com"),
        (Platform.UID2, f"{DOTTED}@googlemail.com", "jane.doe+shop@googlemail.com"),
        (Platform.UID2, f"{DOTTED}@mail.co", "jane.doe+shop@mail.co"),
        (Platform.SNAP, f" {DOTTED}@GMail.com ", "jane.doe+shop@gmail.com"),
    ],
)
def test_address_is_spelled_as_the_platform_says(platform: Platform, address: str, spelled: str) -> None:
    assert email_for(platform, address) == spelled


@pytest.mark.parametrize(
    ("platform", "spelled"),
    [
        (Platform.GOOGLE, "+16505551212"),
        (Platform.UID2, "+16505551212"),
        (Platform.META, "16505551212"),
        (Platform.SNAP, "16505551212"),
    ],
)
def test_number_is_spelled_as_the_platform_says(platform: Platform, spelled: str) -> None:
    assert phone_for(platform, "+16505551212") == spelled


@pytest.mark.parametrize(
    ("platform", "kind", "normal", "digest"),
    [
        (Platform.META, AliasKind.EMAIL, "john_smith@gmail.com", "62a14e44f765419d"),
        (Platform.META, AliasKind.PHONE, "+16505551212", "e323ec626319ca94"),
        (Platform.SNAP, AliasKind.PHONE, "+16505551212", "e323ec626319ca94"),
        (Platform.UID2, AliasKind.EMAIL, "janesaoirse@gmail.com", "ku4mBX7Z"),
        (Platform.UID2, AliasKind.EMAIL, "jane.saoirse+work@gmail.com", "ku4mBX7Z"),
        (Platform.UID2, AliasKind.PHONE, "+12345678901", "EObwtHBU"),
    ],
)
def test_published_vectors(platform: Platform, kind: AliasKind, normal: str, digest: str) -> None:
    assert digest_for(platform, kind, normal).startswith(digest)


@pytest.mark.parametrize("platform", Platform)
def test_each_platform_has_its_encoding(platform: Platform) -> None:
    digest = digest_for(platform, AliasKind.EMAIL, "jane@mail.co")
    raw = b64decode(digest) if platform is Platform.UID2 else bytes.fromhex(digest)
    assert raw == sha256(b"jane@mail.co").digest()


@pytest.mark.parametrize(
    ("normal", "number"),
    [
        ("jane@mail.co", 1),
        ("jane.doe+x@mail.co", 1),
        ("jane@gmail.com", 2),
        ("jane.doe@gmail.com", 3),
        ("jane.doe@googlemail.com", 3),
        ("jane@sub.gmail.com", 1),
    ],
)
def test_spellings_are_counted_once(normal: str, number: int) -> None:
    assert len(spellings(AliasKind.EMAIL, normal)) == number
    assert spellings(AliasKind.EMAIL, normal)[0] == normal


def test_both_names_of_one_host_meet() -> None:
    own = {*spellings(AliasKind.EMAIL, "jane.doe+shop@googlemail.com")}
    for other in ("janedoe@gmail.com", "j.anedoe@gmail.com", "janedoe+x@googlemail.com"):
        assert own & {*spellings(AliasKind.EMAIL, other)}
    assert not own & {*spellings(AliasKind.EMAIL, "jane@gmail.com")}


@pytest.mark.parametrize("platform", Platform)
@pytest.mark.parametrize(
    ("kind", "normal"),
    [
        (AliasKind.EMAIL, "jane.doe+shop@gmail.com"),
        (AliasKind.EMAIL, "jane.doe+shop@googlemail.com"),
        (AliasKind.EMAIL, "jane.doe@mail.co"),
        (AliasKind.PHONE, "+442079460958"),
    ],
)
def test_what_a_platform_hashed_meets_the_raw_value(platform: Platform, kind: AliasKind, normal: str) -> None:
    [hashed] = digests_of(kind, digest_for(platform, kind, normal))
    assert hashed in digests_of(kind, normal)
