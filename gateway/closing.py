"""How sockets are closed: the codes (RFC 6455 §7.4; from 4000 on, graphql-transport-ws'), and reasons that fit."""

from typing import Final

GOING_AWAY: Final = 1001
TOO_BIG: Final = 1009
TRY_AGAIN_LATER: Final = 1013
BAD_REQUEST: Final = 4400
UNAUTHORIZED: Final = 4401
FORBIDDEN: Final = 4403

_LONGEST_REASON: Final = 120
"""Bytes. A close frame whose reason is longer is not sent at all."""


def shortened(reason: str) -> str:
    """Leave of a reason what a close frame can hold."""
    return reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
