"""One collect request as it came, in a form that can be kept and run later."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.consent import Purpose, State
from domain.event import CallType
from gateway.collect.batch import Batch, Item
from gateway.collect.decode import Shared, read_message_id, spelled
from gateway.workspace import Workspace

SPOOLED: Final = "kept on the gateway's disk until the stores are back"


class Arrival(msgspec.Struct, frozen=True, tag_field="v", tag=1):
    """All that a batch is made of, but the workspace as it stands. Plain: it is only ever written sealed."""

    workspace: UUID
    received_at: datetime
    events: tuple[bytes, ...]
    call_type: CallType | None = None
    sent_at: datetime | None = None
    context: dict[str, Any] = {}
    address: str | None = None
    headers: dict[str, str] = {}
    declared: tuple[dict[Purpose, State], ...] = ()
    traceparent: str | None = None

    def batch(self, workspace: Workspace) -> Batch:
        """Make the batch that the pipeline runs."""
        return Batch(
            workspace=workspace,
            items=[Item(raw) for raw in self.events],
            received_at=self.received_at,
            call_type=self.call_type,
            shared=self.shared,
            headers=self.headers,
            declared=self.declared,
        )

    @property
    def shared(self) -> Shared:
        """What the request said once for all events."""
        return Shared(self.sent_at, self.context, self.address)


encode_arrival = msgspec.msgpack.Encoder().encode
decode_arrival = msgspec.msgpack.Decoder(Arrival).decode
"""Raises `msgspec.DecodeError` or `msgspec.ValidationError`."""


def with_message_id(raw: bytes, message_id: str) -> bytes:
    """Write the id that an event was answered under into it, so that it is the same event whenever it is run."""
    if read_message_id(raw) is not None:
        return raw
    fields: dict[str, Any] = msgspec.json.decode(raw)
    return msgspec.json.encode({**fields, "messageId": message_id})


def who(arrival: Arrival) -> set[str]:
    """Name whom a request speaks of, as far as it takes to keep each person's events in order."""
    named: set[str] = set()
    for raw in arrival.events:
        try:
            people = _decode_people(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        names = map(spelled, (people.user_id, people.anonymous_id, people.previous_id))
        named.update(each for each in names if each is not None)
    return named


class _People(msgspec.Struct, frozen=True, rename="camel"):
    user_id: Any = None
    anonymous_id: Any = None
    previous_id: Any = None


_decode_people = msgspec.json.Decoder(_People).decode
