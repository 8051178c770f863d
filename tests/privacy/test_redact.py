import msgspec
from hypothesis import given
from hypothesis import strategies as st

from privacy.redact import redact


def test_a_record_is_shown_by_its_shape() -> None:
    record = {
        "v": 1,
        "name": "product_view",
        "message_id": "m1",
        "aliases": [["email", 1, "aGFzaA=="]],
        "properties": {"product_id": "ada@example.com", "price": 12.5, "tags": ["a", "b", "c", "d"], "sale": True},
    }
    assert redact(msgspec.json.encode(record)) == {
        "v": 1,
        "name": "product_view",
        "message_id": "m1",
        "aliases": [["<text of 5>", "<number>", "<text of 8>"]],
        "properties": {
            "product_id": "<text of 15>",
            "price": "<number>",
            "tags": ["<text of 1>", "<text of 1>", "<text of 1>", "<1 more>"],
            "sale": True,
        },
    }
    assert redact(b"\xff\xfe") == "<2 bytes, not JSON>"


@given(st.binary())
def test_any_bytes_can_be_shown(value: bytes) -> None:
    msgspec.json.encode(redact(value))
