"""Values that clients send where an identifier should be. As an alias, one of them would join strangers."""

import re
from functools import cache
from hashlib import sha256
from typing import Final

from domain.alias import AliasKind

_PLACEHOLDERS: Final = frozenset({
    "", "[object object]", "null", "nil", "none", "undefined", "nan", "void", "empty", "unknown", "unset", "missing",
    "n/a", "na", "-", "-1", "0", "00", "true", "false", "anonymous", "anon", "guest", "visitor", "user",
    "userid", "user_id", "user-id", "customer", "customer_id", "anonymousid", "anonymous_id", "anonymous-id",
    "distinctid", "distinct_id", "id", "uid", "uuid", "guid", "email", "e-mail", "phone", "test", "testuser",
    "test_user", "tester", "demo", "example", "default", "admin", "not_authenticated", "not-authenticated",
    "unauthenticated", "logged_out", "undefined_user", "{}", "[]", "()",
})  # fmt: skip
_SHARED_MAILBOXES: Final = frozenset({
    "test", "tests", "testing", "tester", "test1", "test123", "none", "null", "nil", "undefined", "nan", "anonymous",
    "anon", "guest", "unknown", "noreply", "no-reply", "no.reply", "donotreply", "do-not-reply", "do_not_reply",
    "nobody", "noone", "noemail", "no-email", "na", "n/a", "example", "fake", "dummy", "asdf",
    "postmaster", "mailer-daemon",
})  # fmt: skip
_PLACEHOLDER_ADDRESSES: Final = frozenset(
    f"{mailbox}@example.{end}" for mailbox in ("user", "email", "name", "me", "you", "mail") for end in ("com", "org")
)
_COMMON_HOSTS: Final = (
    "example.com", "example.org", "test.com", "test.test", "email.com", "mail.com", "domain.com", "gmail.com",
    "googlemail.com", "hotmail.com", "outlook.com", "yahoo.com", "icloud.com", "none.com", "null.com",
)  # fmt: skip
_ADDRESS: Final = re.compile(r"[^@\s]+@[\w-]+(?:\.[\w-]+)+")
_SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")
_PHONE_LENGTHS: Final = range(7, 16)
_ONE_CHARACTER_REPEATED: Final = re.compile(r"\+?([0-9a-f])(?:[\W_]*\1)*", re.IGNORECASE)
_REPEATED_FROM: Final = 6


def is_blocked(kind: AliasKind, normal: str) -> bool:
    """Tell whether a normal form is a placeholder, so that it must never become an alias."""
    plain = normal.strip("\"'` ").casefold()
    if plain in _PLACEHOLDERS:
        return True
    if kind is AliasKind.EMAIL or _ADDRESS.fullmatch(plain):
        return plain.partition("@")[0] in _SHARED_MAILBOXES or plain in _PLACEHOLDER_ADDRESSES
    # Sites also use a hash as the id.
    if _SHA256_HEX.fullmatch(plain) and is_blocked_digest(bytes.fromhex(plain)):
        return True
    # The all-zero UUID, "000000", "+11111111".
    return len(plain) >= _REPEATED_FROM and _ONE_CHARACTER_REPEATED.fullmatch(plain) is not None


def is_blocked_digest(digest: bytes) -> bool:
    """Tell whether a digest that a client has made itself is that of a placeholder."""
    return digest in _blocked_digests()


@cache
def _blocked_digests() -> frozenset[bytes]:
    addresses = {f"{mailbox}@{host}" for mailbox in _SHARED_MAILBOXES for host in _COMMON_HOSTS}
    numbers = {f"{plus}{digit * length}" for plus in ("", "+") for digit in "0123456789" for length in _PHONE_LENGTHS}
    values = _PLACEHOLDERS | _PLACEHOLDER_ADDRESSES | addresses | numbers
    return frozenset(sha256(value.encode()).digest() for value in values)
