from base64 import b64decode, b64encode
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.ledger.checkpoint import Checkpoint, Signer, Untrusted, is_attested, read_checkpoint

WORKSPACE = UUID(int=7)
SIGNER = Signer(WORKSPACE, bytes(range(32)))
ROOT = bytes(range(32, 64))
NOTE = SIGNER.sign(1234, ROOT)


def test_a_head_is_written_as_c2sp_says() -> None:
    text, signatures = NOTE.split("\n\n")
    assert text == f"tagway/ledger/{WORKSPACE}\n1234\n{b64encode(ROOT).decode()}"
    assert signatures.startswith(f"\N{EM DASH} tagway/ledger/{WORKSPACE} ")
    assert signatures.endswith("\n")
    assert SIGNER.public_key.startswith(f"tagway/ledger/{WORKSPACE}+")


def test_a_head_is_read_back() -> None:
    assert read_checkpoint(NOTE, SIGNER.public_key) == Checkpoint(SIGNER.origin, 1234, ROOT)


def test_signatures_of_witnesses_may_stand_beside_ours() -> None:
    cosigned = NOTE + "\N{EM DASH} witness.example AAAAAAAAAAAAAAAA\n"
    assert read_checkpoint(cosigned, SIGNER.public_key).size == 1234


@pytest.mark.parametrize(
    ("before", "after"),
    [("1234", "1235"), (b64encode(ROOT).decode()[:8], "AAAAAAAA"), (str(WORKSPACE), str(UUID(int=8))), ("\n\n", "\n")],
)
def test_a_head_that_was_changed_is_not_trusted(before: str, after: str) -> None:
    with pytest.raises(Untrusted):
        read_checkpoint(NOTE.replace(before, after), SIGNER.public_key)


def test_a_head_of_another_key_is_not_trusted() -> None:
    for other in (Signer(WORKSPACE, bytes(32)), Signer(uuid4(), bytes(range(32)))):
        with pytest.raises(Untrusted, match="not signed by this key"):
            read_checkpoint(NOTE, other.public_key)


def test_a_public_key_with_another_s_id_is_refused() -> None:
    name, id_, _ = SIGNER.public_key.split("+", 2)
    stranger = Signer(WORKSPACE, bytes(32)).public_key.split("+", 2)[2]
    with pytest.raises(Untrusted, match="public key"):
        read_checkpoint(NOTE, f"{name}+{id_}+{stranger}")


def test_a_statement_is_attested_by_one_ledger_only() -> None:
    signature = SIGNER.attest(b"said")
    assert is_attested(b"said", signature, SIGNER.public_key)
    assert not is_attested(b"unsaid", signature, SIGNER.public_key)
    assert not is_attested(b"said", signature[:-1], SIGNER.public_key)
    for other in (Signer(WORKSPACE, bytes(32)), Signer(uuid4(), bytes(range(32)))):
        assert not is_attested(b"said", signature, other.public_key)


def test_no_head_passes_for_a_statement_nor_the_other_way_round() -> None:
    text, signed = NOTE.rsplit("\n\n", 1)
    signature = b64decode(signed.split()[-1])[4:]
    for statement in (text.encode(), f"{text}\n".encode()):
        assert not is_attested(statement, signature, SIGNER.public_key)
    key_id = bytes.fromhex(SIGNER.public_key.split("+")[1])
    attested = b64encode(key_id + SIGNER.attest(f"{text}\n".encode())).decode()
    with pytest.raises(Untrusted, match="wrong"):
        read_checkpoint(f"{text}\n\n\N{EM DASH} {SIGNER.origin} {attested}\n", SIGNER.public_key)


@given(st.text() | st.builds(lambda at, text: NOTE[:at] + text + NOTE[at:], st.integers(0, len(NOTE)), st.text()))
def test_nothing_else_is_a_head(note: str) -> None:
    try:
        found = read_checkpoint(note, SIGNER.public_key)
    except Untrusted:
        return
    assert found == Checkpoint(SIGNER.origin, 1234, ROOT)


@given(st.text())
def test_nothing_else_is_a_key(key: str) -> None:
    with pytest.raises(Untrusted):
        read_checkpoint(NOTE, key)
