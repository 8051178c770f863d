"""Opaque places in a list or a stream: signed, so that nobody can make one up or use it where it is not from."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from domain.errors import Refused

_MAC_BYTES = 12
_FORMAT = b"\x01"

Place = TypeVar("Place")


class Cursors:
    """Signs and reads cursors of one workspace. `key` is any secret of the workspace made for this.

    A cursor is base64 of `format byte | truncated HMAC-SHA256 | msgpack [sort, place]`. `sort` names the list and its
    order, so that a cursor of one list is refused by every other.
    """

    def __init__(self, key: bytes) -> None:
        self._mac = hmac.new(key, _FORMAT, hashlib.sha256)

    def sign(self, sort: str, place: Any) -> str:
        """Turn a place (what msgspec can encode) into a cursor."""
        body = msgspec.msgpack.encode((sort, place))
        return urlsafe_b64encode(_FORMAT + self._sign(body) + body).decode().rstrip("=")

    def read(self, sort: str, cursor: str, type: Callable[..., Place]) -> Place:  # noqa: A002 - as msgspec names it
        """Turn a cursor of the list `sort` back into its place. Raises `Refused` if it is anything else."""
        body = self._open(cursor)
        try:
            of, place = msgspec.msgpack.decode(body, type=tuple[str, msgspec.Raw])
            if of == sort:
                found: Place = msgspec.msgpack.decode(place, type=type)
                return found
        except msgspec.MsgspecError:
            pass
        raise _foreign()

    def _open(self, cursor: str) -> bytes:
        try:
            frame = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raise _foreign() from None
        mac, body = frame[1 : 1 + _MAC_BYTES], frame[1 + _MAC_BYTES :]
        if not (frame.startswith(_FORMAT) and hmac.compare_digest(mac, self._sign(body))):
            raise _foreign()
        return body

    def _sign(self, body: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(body)
        return mac.digest()[:_MAC_BYTES]


def _foreign() -> Refused:
    return Refused("`after` is not a cursor of this list.")
