"""An event before the privacy layer (`Call`) and after it (`ProtectedEvent`)."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.alias import Alias
from domain.consent import Purpose


class CallType(StrEnum):
    """The six calls of the Segment spec."""

    TRACK = "track"
    IDENTIFY = "identify"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"


class Call(msgspec.Struct, frozen=True):
    """One decoded call of a client: still plain, so it lives only between decode and protect and is never logged."""

    type: CallType
    message_id: str
    name: str
    """Event name of a track, page or screen name (may be empty), else the type."""
    timestamp: datetime
    """Client time corrected for its clock's skew."""
    original_timestamp: datetime | None
    sent_at: datetime | None
    received_at: datetime
    user_id: str | None = None
    anonymous_id: str | None = None
    group_id: str | None = None
    previous_id: str | None = None
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}


class ProtectedEvent(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="v", tag=1):
    """One event as it stands on the log and in the store: no plain personal data.

    `aliases` are blind indexes, strongest first; the first is the one that `subject` was found or made by. `sealed`
    maps a field's path (`traits.email`) to its AES-GCM frame under the data key of `subject`. `purposes` are those that
    were granted when it was collected.
    """

    workspace: UUID
    message_id: str
    subject: UUID
    type: CallType
    name: str
    at: datetime
    received_at: datetime
    aliases: tuple[Alias, ...]
    purposes: tuple[Purpose, ...]
    original_at: datetime | None = None
    sent_at: datetime | None = None
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}
    sealed: dict[str, bytes] = {}
    proofs: tuple[int, ...] = ()
    """Beside `purposes`: the record in the consent ledger that each rests on."""
    likeness: dict[str, bytes] = {}
    """Keyed filters of a name, a birth date, a postcode, where the workspace compares people by these."""
    likeness_version: int = 0
    """The version of the index key that these filters go with; 0 for those from before filters had versions."""


encode_event = msgspec.json.Encoder().encode
"""`ProtectedEvent` → the value of a log record."""

decode_event = msgspec.json.Decoder(ProtectedEvent).decode
"""The value of a log record → `ProtectedEvent`; raises one of `UNREADABLE`."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a record raises that is no JSON, nested without end, or no event."""
