from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from domain.event import Call, CallType
from gateway.collect.decode import InvalidEvent, Shared, decode_event, read_batch, read_message_id, read_single

RECEIVED = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def decode(event: Any, call_type: CallType | None = None, shared: Shared = Shared()) -> Call:  # noqa: B008 - frozen
    raw = event if isinstance(event, bytes) else msgspec.json.encode(event)
    return decode_event(raw, call_type, shared, RECEIVED)


def test_a_track_call_is_read_whole() -> None:
    call = decode(
        {
            "type": "track",
            "event": "product_view",
            "messageId": "m1",
            "userId": "u1",
            "anonymousId": "a1",
            "timestamp": "2026-05-01T11:00:00Z",
            "sentAt": "2026-05-01T11:00:30Z",
            "properties": {"price": 3},
            "context": {"locale": "de"},
            "integrations": {"All": True},
            "unheardOf": 1,
        }
    )
    assert call == Call(
        type=CallType.TRACK,
        message_id="m1",
        name="product_view",
        timestamp=RECEIVED - timedelta(seconds=30),
        original_timestamp=datetime(2026, 5, 1, 11, 0, tzinfo=UTC),
        sent_at=datetime(2026, 5, 1, 11, 0, 30, tzinfo=UTC),
        received_at=RECEIVED,
        user_id="u1",
        anonymous_id="a1",
        properties={"price": 3},
        context={"locale": "de"},
    )


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (b"5", "Expected `object`"),
        (b'"text"', "Expected `object`"),
        (b'{"type":"track","event":"x","userId":"\xff"}', "not valid UTF-8"),
        ({"type": "dance", "userId": "u"}, "type: not one of track"),
        ({"userId": "u"}, "type: not one of track"),
        ({"type": "track", "userId": "u"}, "event: a track call needs a name"),
        ({"type": "track", "userId": "u", "event": "  "}, "event: a track call needs a name"),
        ({"type": "track", "userId": "u", "event": "x" * 256}, "event: longer than"),
        ({"type": "track", "userId": "u", "event": 5}, "$.event"),
        ({"type": "track", "event": "x"}, "userId or anonymousId is needed"),
        ({"type": "track", "event": "x", "userId": " ", "anonymousId": ""}, "userId or anonymousId is needed"),
        ({"type": "track", "event": "x", "userId": True}, "$.userId"),
        ({"type": "track", "event": "x", "userId": ["u"]}, "$.userId"),
        ({"type": "track", "event": "x", "userId": "u" * 501}, "userId: longer than"),
        ({"type": "track", "event": "x", "userId": "u", "messageId": "m" * 101}, "messageId: longer than 100"),
        ({"type": "track", "event": "x", "userId": "u", "messageId": "ann@mail.co"}, "messageId: may hold letters"),
        ({"type": "track", "event": "x", "userId": "u", "messageId": "of Ann"}, "messageId: may hold letters"),
        ({"type": "track", "event": "x", "userId": "u", "properties": [1]}, "$.properties"),
        ({"type": "track", "event": "x", "userId": "u", "context": "c"}, "$.context"),
        ({"type": "track", "event": "x", "userId": "u", "timestamp": "soon"}, "timestamp: not a date"),
        ({"type": "track", "event": "x", "userId": "u", "sentAt": {}}, "sentAt: not a date"),
        ({"type": "track", "event": "x", "userId": "u", "properties": {"a": "\0"}}, "NUL"),
        ({"type": "group", "userId": "u"}, "groupId"),
        ({"type": "alias", "userId": "u"}, "previousId and userId"),
        ({"type": "alias", "anonymousId": "a", "previousId": "p"}, "previousId and userId"),
    ],
)
def test_a_faulty_event_is_told_its_fault(event: Any, problem: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode(event)
    assert problem in str(caught.value)


@pytest.mark.parametrize("levels", [33, 500, 5_000])
def test_deep_nesting_is_refused(levels: int) -> None:
    nested = b"[" * levels + b"]" * levels
    with pytest.raises(InvalidEvent):
        decode(b'{"type":"track","event":"x","userId":"u","properties":{"a":' + nested + b"}}")


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert decode({"type": "track", "event": "x", "userId": "u", "properties": {"products": [{}] * 50}})


def test_an_escaped_backslash_before_u0000_is_not_a_nul() -> None:
    assert decode({"type": "track", "event": "x", "userId": "u", "properties": {"a": "\\u0000"}})


@pytest.mark.parametrize(
    ("sent", "kept"), [(12, "12"), (12.0, "12"), (12.5, "12.5"), (" u ", "u"), (10**18, str(10**18))]
)
def test_numbers_stand_for_their_text(sent: object, kept: str) -> None:
    assert decode({"type": "track", "event": "x", "userId": sent}).user_id == kept


def test_the_route_s_type_counts_more_than_the_event_s() -> None:
    assert decode({"type": "track", "userId": "u"}, CallType.IDENTIFY).type is CallType.IDENTIFY


def test_a_message_id_is_made_where_none_was_sent() -> None:
    event = {"type": "track", "event": "x", "userId": "u"}
    assert decode(event).message_id != decode(event).message_id


def test_what_the_request_says_once_stands_under_each_event() -> None:
    shared = Shared(RECEIVED - timedelta(seconds=5), {"locale": "de", "app": {"name": "a"}})
    event = {"type": "page", "name": "Home", "category": "c", "userId": "u", "timestamp": RECEIVED.isoformat()}
    call = decode({**event, "context": {"locale": "fr"}}, shared=shared)
    assert call.context == {"locale": "fr", "app": {"name": "a"}}
    assert call.sent_at == shared.sent_at
    assert (call.name, call.properties) == ("Home", {"category": "c"})


def test_only_a_call_that_asks_for_it_gets_the_caller_s_address() -> None:
    shared = Shared(address="203.0.113.9")
    event = {"type": "track", "event": "x", "userId": "u"}
    assert "ip" not in decode(event, shared=shared).context
    assert decode({**event, "context": {"direct": True}}, shared=shared).context["ip"] == "203.0.113.9"
    spoken = {"direct": True, "ip": "198.51.100.1"}
    assert decode({**event, "context": spoken}, shared=shared).context["ip"] == "198.51.100.1"


def test_rudderstack_s_spellings_are_read() -> None:
    identify = {"type": "identify", "userId": "u", "originalTimestamp": "2026-05-01T11:00:00Z"}
    call = decode({**identify, "traits": {"plan": "gold"}, "context": {"traits": {"plan": "old", "age": 3}}})
    assert call.traits == {"plan": "gold", "age": 3}
    assert call.original_timestamp == datetime(2026, 5, 1, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"not json", "malformed_json"),
        (b'{"batch":[{"a":tru}]}', "malformed_json"),
        (b'{"batch":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", "malformed_json"),
        (b"[]", "invalid_request"),
        (b"{}", "invalid_request"),
        (b'{"batch":{}}', "invalid_request"),
        (b'{"batch":[],"context":[]}', "invalid_request"),
        (b'{"batch":[],"writeKey":5}', "invalid_request"),
        (b'{"batch":[],"context":{"locale":"a\\u0000"}}', "invalid_request"),
        (b'{"batch":[],"context":' + b'{"a":' * 33 + b"1" + b"}" * 34, "invalid_request"),
        (b'{"batch":["\\ud83d"', "malformed_json"),
        (b'{"batch":[' + b",".join([b"{}"] * 2501) + b"]}", "request_too_large"),
    ],
)
def test_a_body_that_is_no_batch_is_refused_whole(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as caught:
        read_batch(body)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"\ud83d", "\ufffd"),
        (rb"\uDE00x", "\ufffdx"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\\ud83d\ud83d", r"\ud83d" + "\ufffd"),
        (rb"\ud83d\u0041", "\ufffdA"),
    ],
)
def test_half_a_character_is_read_as_unknown(written: bytes, read: str) -> None:
    call = b'{"type":"track","event":"x","userId":"u","properties":{"name":"' + written + b'"}}'
    for envelope in (read_batch(b'{"batch":[' + call + b"]}"), read_single(call)):
        assert decode(bytes(envelope.batch[0])).properties == {"name": read}


def test_a_single_call_is_held_to_the_size_of_an_event() -> None:
    assert read_single(b'{"writeKey":"k"}').write_key == "k"
    with pytest.raises(Refused) as caught:
        read_single(msgspec.json.encode({"properties": {"a": "x" * 40_000}}))
    assert caught.value.code == "event_too_large"


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_raise_anything_but_their_fault(raw: bytes) -> None:
    read_message_id(raw)
    with pytest.raises(InvalidEvent):
        decode_event(raw, CallType.TRACK, Shared(), RECEIVED)


@pytest.mark.parametrize(
    "message_id",
    [
        "c5a2b7f0-6d3e-4c55-9a4e-2f1de0a1b2c3",
        "ajs-next-1719825600000-c5a2b7f0-6d3e-4c55-9a4e-2f1de0a1b2c3",
        "node-next-1719825600000-c5a2b7f0-6d3e-4c55-9a4e-2f1de0a1b2c3",
        "ajs-0cc175b9c0f1b6a831c399e269772661",
        "order:2026/17_b+c=.",
    ],
)
def test_ids_as_sdks_make_them_are_kept(message_id: str) -> None:
    assert decode({"type": "track", "event": "x", "userId": "u", "messageId": message_id}).message_id == message_id


@pytest.mark.parametrize("message_id", ["ann@mail.co", "of Ann", "x" * 101])
def test_an_id_that_may_be_personal_is_not_repeated(message_id: str) -> None:
    assert read_message_id(msgspec.json.encode({"messageId": message_id})) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.sampled_from(["type", "event", "userId", "anonymousId", "messageId", "timestamp", "sentAt", "properties",
                          "traits", "context", "groupId", "previousId", "name", "category"])  # fmt: skip


@given(st.dictionaries(FIELDS, JSON, max_size=8), st.sampled_from([None, *CallType]))
def test_whatever_its_fields_hold_an_event_is_a_call_or_invalid(
    fields: dict[str, Any], call_type: CallType | None
) -> None:
    try:
        call = decode(fields, call_type)
    except InvalidEvent:
        return
    assert call.user_id or call.anonymous_id
    assert 0 < len(call.message_id) <= 100
