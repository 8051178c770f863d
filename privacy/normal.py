"""One spelling per identifier, and the digest that raw and pre-hashed values meet on.

E-mail addresses are trimmed and lower-cased and nothing else, which is also the form that clients hash before sending;
phone numbers are E.164 with the plus sign; ids are trimmed.
"""

import re
from functools import lru_cache
from hashlib import sha256
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from domain.alias import AliasKind
from privacy.blocked import is_blocked, is_blocked_digest

_SHA256_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
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
    """Give the normal form of an identifier, or None when it is not one or is a placeholder."""
    if len(text) > _LONGEST:
        return None
    match kind:
        case AliasKind.EMAIL:
            normal = normal_email(text)
        case AliasKind.PHONE:
            normal = normal_phone(text)
        case _:
            normal = normal_id(text)
    return None if normal is None or is_blocked(kind, normal) else normal


@lru_cache(maxsize=16_384)
def digest_of(kind: AliasKind, text: str) -> bytes | None:
    """SHA-256 of the normal form, 32 bytes; None when there is none.

    For e-mail and phone a value of 64 hexadecimal digits is taken as that digest, made by the client.
    Kept in memory for values that come again, as checking an address or a number costs more than all else here.
    """
    if kind in _PREHASHED and _SHA256_HEX.fullmatch(trimmed := text.strip()):
        digest = bytes.fromhex(trimmed)
        return None if is_blocked_digest(digest) else digest
    normal = normal_form(kind, text)
    return None if normal is None else sha256(normal.encode("utf-8", "surrogatepass")).digest()
