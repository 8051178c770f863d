import copy
from typing import Any

import pytest

from privacy.receipt import is_genuine, sign_receipt

SEED = bytes(range(32))
RECEIPT: dict[str, Any] = {"kind": "erase", "erased": {"event": 3, "alias": 2}, "at": "2026-05-04T12:00:00Z"}


def test_a_receipt_is_checked_without_asking_anyone() -> None:
    signed = sign_receipt(RECEIPT, SEED)
    assert signed["receipt"] == RECEIPT
    assert is_genuine(signed)
    assert is_genuine(signed, signed["public_key"].upper())
    reordered = {
        "receipt": dict(reversed(list(RECEIPT.items()))),
        **{k: signed[k] for k in ("public_key", "signature")},
    }
    assert is_genuine(reordered)


def test_what_was_altered_or_signed_by_another_is_not_genuine() -> None:
    signed = sign_receipt(RECEIPT, SEED)
    altered = copy.deepcopy(signed)
    altered["receipt"]["erased"]["event"] = 4
    assert not is_genuine(altered)
    other = sign_receipt(RECEIPT, bytes(32))
    assert is_genuine(other)
    assert not is_genuine(other, signed["public_key"])


@pytest.mark.parametrize(
    "document", [None, [], {}, {"receipt": {}, "public_key": "zz", "signature": "00"}, {"receipt": 1}]
)
def test_what_is_no_receipt_is_not_genuine(document: Any) -> None:
    assert not is_genuine(document)
