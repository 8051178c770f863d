"""The spelling and the digest that each advertising platform expects of an e-mail address or a phone number.

| platform | e-mail | phone | digest |
|---|---|---|---|
| Google (Customer Match) | no spaces, lower case; at gmail.com, googlemail.com no dots, no +suffix | E.164, `+` | hex |
| Meta (Conversions API) | trimmed, lower case | digits only | hex |
| UID2 | trimmed, lower case; at gmail.com no dots, no +suffix | E.164, `+` | base64 of the 32 bytes |
| Snap (Conversions API) | trimmed, lower case | digits only | hex |

Sources: developers.google.com/data-manager/api/devguides/concepts/formatting,
developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters,
github.com/IABTechLab/uid2docs (normalization and encoding), developers.snap.com (Conversions API, best practices).
A digest without a key is a name for a person, not a protection: it is made when it leaves and never stored.
"""

from base64 import b64encode
from enum import StrEnum
from hashlib import sha256
from typing import Final

from domain.alias import AliasKind


class Platform(StrEnum):
    """Who a digest is made for."""

    GOOGLE = "google"
    META = "meta"
    UID2 = "uid2"
    SNAP = "snap"


_ONE_HOST: Final = ("gmail.com", "googlemail.com")
"""Two names of one host."""

_DOTLESS_HOSTS: Final = {
    Platform.GOOGLE: frozenset(_ONE_HOST),
    Platform.UID2: frozenset({"gmail.com"}),
}
"""Hosts at which a platform takes dots and a +suffix out of the mailbox; elsewhere both stay."""

_WITHOUT_PLUS: Final = frozenset({Platform.META, Platform.SNAP})


def email_for(platform: Platform, address: str) -> str:
    """Spell a valid address as a platform does."""
    spelled = ("".join(address.split()) if platform is Platform.GOOGLE else address.strip()).lower()
    mailbox, _, host = spelled.rpartition("@")
    if host in _DOTLESS_HOSTS.get(platform, ()):
        mailbox = mailbox.partition("+")[0].replace(".", "")
    return f"{mailbox}@{host}"


def phone_for(platform: Platform, number: str) -> str:
    """Spell a number in E.164 form (`+16505551212`) as a platform does."""
    return number.removeprefix("+") if platform in _WITHOUT_PLUS else number


def spellings(kind: AliasKind, normal: str) -> tuple[str, ...]:
    """Give all spellings of a normal e-mail address or phone number, each once: what any platform may have hashed.

    The first is the normal form itself. Other kinds have that one only. At gmail.com and googlemail.com lie the same
    mailboxes, so an address at one has the spellings of both that no dots and +suffix tell apart.
    """
    if kind is AliasKind.EMAIL:
        found = dict.fromkeys([normal, *(email_for(platform, normal) for platform in Platform)])
        mailbox, _, host = email_for(Platform.GOOGLE, normal).rpartition("@")
        if host in _ONE_HOST:
            found |= dict.fromkeys(f"{mailbox}@{each}" for each in _ONE_HOST)
        return tuple(found)
    if kind is AliasKind.PHONE:
        return tuple(dict.fromkeys([normal, *(phone_for(platform, normal) for platform in Platform)]))
    return (normal,)


def digest_for(platform: Platform, kind: AliasKind, normal: str) -> str:
    """Give the digest of a normal e-mail address or phone number in a platform's spelling and encoding."""
    spelled = email_for(platform, normal) if kind is AliasKind.EMAIL else phone_for(platform, normal)
    digest = sha256(spelled.encode("utf-8", "surrogatepass"))
    # Base64 of the raw bytes: base64 of the hexadecimal text is what matches nobody.
    return b64encode(digest.digest()).decode() if platform is Platform.UID2 else digest.hexdigest()
