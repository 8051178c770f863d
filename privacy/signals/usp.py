"""The US Privacy string: four characters, deprecated since 2024 and still sent.

Format: IAB Tech Lab, "US Privacy String", version 1.
"""

import re
from typing import Final

import msgspec

from privacy.signals.bits import check_text
from privacy.signals.refusal import Reason, Refusal

_FORM: Final = re.compile(r"(\d)([YN-])([YN-])([YN-])", re.ASCII)
_LENGTH: Final = 4


class PrivacyString(msgspec.Struct, frozen=True):
    """Its fields: `Y`, `N`, or `-` where the law does not apply."""

    version: int
    notice: str
    opted_out: str
    covered: str

    @property
    def refuses_sale(self) -> bool:
        """True when the person opted out, or cannot have chosen: they were not told, or the choice was not theirs."""
        return self.opted_out == "Y" or self.notice == "N" or (self.opted_out == "N" and self.notice == "-")


def decode_privacy(text: object) -> PrivacyString:
    """Read a US Privacy string. Raises `Refusal`."""
    text = check_text(text)
    if len(text) != _LENGTH:
        raise Refusal(Reason.TRUNCATED if len(text) < _LENGTH else Reason.TRAILING)
    match = _FORM.fullmatch(text)
    if match is None:
        raise Refusal(Reason.ALPHABET)
    version, notice, opted_out, covered = match.groups()
    if version != "1":
        raise Refusal(Reason.UNKNOWN_VERSION)
    return PrivacyString(int(version), notice, opted_out, covered)
