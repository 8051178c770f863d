"""One normal form per identifier, and the digests that raw and pre-hashed values meet on.

E-mail addresses are trimmed and lower-cased and nothing else; phone numbers are E.164 with the plus sign; ids are
trimmed. What a client has hashed before sending may have been spelled for another platform, so a raw value has one
digest for each spelling (`privacy.platform`), and a hashed one the digest that it is.
"""

import re
from base64 import b64decode
from functools import lru_cache
from hashlib import sha256
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from domain.alias import AliasKind
from privacy.blocked import is_blocked, is_blocked_digest
from privacy.platform import spellings

_SHA256_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_SHA256_BASE64: Final = re.compile(r"[0-9A-Za-z+/]{43}=|[0-9A-Za-z_-]{43}=")
_PLUS_FORMS: Final = re.compile(r"\+|00(?=[1-9])")
_LONGEST: Final = 512
_PREHASHED: Final = (AliasKind.EMAIL, AliasKind.PHONE)


def normal_email(text: str) -> str | None:
    """Trim and lower-case an address; None when it is not valid. No name server is asked."""
    address = text.strip().lower()
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        return None
    return address


def normal_phone(text: str) -> str | None:
    """Give the E.164 form (`+16505551212`) of an international number, written with `+` or `00`; else None."""
    number = text.strip()
    prefix = _PLUS_FORMS.match(number)
    if prefix is None:
        return None
    try:
        parsed = phonenumbers.parse("+" + number[prefix.end() :])
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def normal_id(text: str) -> str | None:
    """Trim an id; None when nothing is left or it is over 512 characters."""
    trimmed = text.strip()
    return trimmed if 0 < len(trimmed) <= _LONGEST else None


def normal_form(kind: AliasKind, text: str) -> str | None:
    """Give the normal form of an identifier, or None when it is not one or a spelling of it is a placeholder."""
    if len(text) > _LONGEST:
        return None
    match kind:
        case AliasKind.EMAIL:
            normal = normal_email(text)
        case AliasKind.PHONE:
            normal = normal_phone(text)
        case _:
            normal = normal_id(text)
    if normal is None or any(is_blocked(kind, spelling) for spelling in spellings(kind, normal)):
        return None
    return normal


def read_digest(text: str) -> bytes | None:
    """Read a SHA-256 as clients write it: hexadecimal in any case, or base64 of its 32 bytes. None for the rest."""
    trimmed = text.strip()
    if _SHA256_HEX.fullmatch(trimmed):
        return bytes.fromhex(trimmed)
    if _SHA256_BASE64.fullmatch(trimmed):
        return b64decode(trimmed, altchars=b"-_" if {"-", "_"} & {*trimmed} else None)
    return None


@lru_cache(maxsize=16_384)
def digests_of(kind: AliasKind, text: str) -> tuple[bytes, ...]:
    """SHA-256 of each spelling of an identifier, 32 bytes each, that of the normal form first; none when it is none.

    For e-mail and phone a value that is itself a digest is taken as made by the client, over a spelling of its choice.
    Kept in memory for values that come again, as checking an address or a number costs more than all else here.
    """
    if kind in _PREHASHED and (digest := read_digest(text)):
        return () if is_blocked_digest(digest) else (digest,)
    normal = normal_form(kind, text)
    if normal is None:
        return ()
    return tuple(sha256(spelling.encode("utf-8", "surrogatepass")).digest() for spelling in spellings(kind, normal))
