import pytest

from privacy.signals.refusal import Reason, Refusal
from privacy.signals.usp import decode_privacy


@pytest.mark.parametrize(
    ("text", "refuses"),
    [("1YYN", True), ("1YNN", False), ("1YNY", False), ("1---", False), ("1NYN", True), ("1NNN", True),
     ("1-N-", True), ("1Y--", False)],
)  # fmt: skip
def test_the_third_character_refuses_and_so_does_a_notice_that_was_not_given(text: str, *, refuses: bool) -> None:
    assert decode_privacy(text).refuses_sale is refuses


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", Reason.EMPTY), ("1YN", Reason.TRUNCATED), ("1YNNN", Reason.TRAILING), ("1YXN", Reason.ALPHABET),
     ("1yyn", Reason.ALPHABET), ("2YNN", Reason.UNKNOWN_VERSION), ("null", Reason.ALPHABET), (None, Reason.NOT_TEXT),
     ("\N{ARABIC-INDIC DIGIT ONE}YNN", Reason.ALPHABET), ("1YN\n", Reason.ALPHABET)],
)  # fmt: skip
def test_each_fault_has_its_reason(text: object, reason: Reason) -> None:
    with pytest.raises(Refusal) as refused:
        decode_privacy(text)
    assert refused.value.reason is reason
