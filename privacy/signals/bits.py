"""Reading fields of bits out of base64url text, within caps and without ever going past the end."""

import base64
import binascii
import re
from typing import Final

from privacy.signals.refusal import Reason, Refusal

LONGEST: Final = 8_192
"""Characters of a whole string: over twice what a vendor list of today fills."""

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_FROM_A: Final = ord("A")
_LETTERS: Final = 26


def check_text(value: object, longest: int = LONGEST) -> str:
    """Take a value for a signal's text. Raises `Refusal` for another type, for nothing, and for too much."""
    if not isinstance(value, str):
        raise Refusal(Reason.NOT_TEXT)
    if not value:
        raise Refusal(Reason.EMPTY)
    if len(value) > longest:
        raise Refusal(Reason.TOO_LONG)
    return value


class Bits:
    """The bits of one segment, read from left to right. Every method raises `Refusal` where too few are left.

    Base64url without padding, six bits a character, as TCF and GPP write it: the last character may stand for bits
    that no whole byte holds.
    """

    __slots__ = ("_bytes", "_length", "_position")

    def __init__(self, text: str) -> None:
        if not text:
            raise Refusal(Reason.TRUNCATED)
        if _ALPHABET.fullmatch(text) is None:
            raise Refusal(Reason.ALPHABET)
        try:
            self._bytes = base64.urlsafe_b64decode(text + "A" * (-len(text) % 4))
        except binascii.Error:
            raise Refusal(Reason.ALPHABET) from None
        self._length = 6 * len(text)
        self._position = 0

    @property
    def left(self) -> int:
        """How many bits have not been read."""
        return self._length - self._position

    @property
    def length(self) -> int:
        """How many bits there are in all, padding included."""
        return self._length

    def rewind(self) -> None:
        """Begin again."""
        self._position = 0

    def number(self, width: int) -> int:
        """Read an unsigned number, its highest bit first."""
        end = self._position + width
        if end > self._length:
            raise Refusal(Reason.TRUNCATED)
        window = int.from_bytes(self._bytes[self._position >> 3 : (end + 7) >> 3], "big")
        self._position = end
        return window >> (-end & 7) & ((1 << width) - 1)

    def flag(self) -> bool:
        """Read one bit."""
        return self.number(1) == 1

    def ids(self, width: int) -> frozenset[int]:
        """Read a short field of bits as the ids of those that are set; the first bit is id 1."""
        field = self.number(width)
        return frozenset(place for place in range(1, width + 1) if field >> (width - place) & 1)

    def numbers(self, width: int, many: int) -> tuple[int, ...]:
        """Read numbers of the same width."""
        return tuple(self.number(width) for _ in range(many))

    def letters(self, many: int) -> str:
        """Read capital letters of six bits each, A being 0."""
        codes = self.numbers(6, many)
        if max(codes) >= _LETTERS:
            raise Refusal(Reason.VALUE)
        return "".join(chr(_FROM_A + code) for code in codes)

    def fibonacci(self, most: int) -> int:
        """Read a number from 1 to `most` in Fibonacci code: bits weigh 1, 2, 3, 5, 8, …, and two ones are its end."""
        value, weight, heavier, last = 0, 1, 2, False
        while True:
            bit = self.flag()
            if bit and last:
                return value
            if bit:
                value += weight
            if value > most or weight > most:
                raise Refusal(Reason.RANGE)
            weight, heavier, last = heavier, weight + heavier, bit

    def end(self) -> None:
        """Accept any zeros that pad the segment. Raises `Refusal` for anything else."""
        if self.left and self.number(self.left):
            raise Refusal(Reason.TRAILING)
