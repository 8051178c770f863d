from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from domain.consent import Purpose, State
from privacy.chain import GENESIS
from privacy.ledger.checkpoint import Signer, Untrusted
from privacy.ledger.merkle import Frontier, Tiles, inclusion_ranges, leaf_hash, range_root
from privacy.ledger.proof import Evidence, Grant, Proof, check_proof, encode_proof, read_proof, signed
from privacy.ledger.record import Opening, Word, digest_signal, read_record, write_record

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
WHO, OTHER = UUID(int=1), UUID(int=2)
SIGNER = Signer(UUID(int=7), bytes(32))
SIGNAL = digest_signal({"categoryPreferences": {"analytics": True}})


def word(purpose: Purpose, state: State = State.GRANTED, subject: UUID = WHO) -> Word:
    return Word(
        subject=subject, purpose=purpose, state=state, source="category_preferences", said_at=NOON, signal=SIGNAL
    )


WORDS = [
    word(Purpose.ANALYTICS),
    word(Purpose.PERSONALIZATION),
    word(Purpose.ADVERTISING, State.DENIED),
    word(Purpose.ADVERTISING, subject=OTHER),
    word(Purpose.ANALYTICS, State.WITHDRAWN),
]
SALTS = [bytes([number]) * 32 for number in range(len(WORDS))]


def make_leaves() -> list[bytes]:
    leaves: list[bytes] = []
    for number, each in enumerate(WORDS):
        previous = leaf_hash(leaves[-1]) if leaves else GENESIS
        leaves.append(write_record(each, SALTS[number], seq=number + 1, previous=previous, at=NOON))
    return leaves


LEAVES = make_leaves()


def grant(seq: int) -> Grant:
    tiles = Tiles({(0, index): leaf_hash(leaf) for index, leaf in enumerate(LEAVES)})
    path = tuple(range_root(part, tiles.read) for part in inclusion_ranges(seq - 1, len(LEAVES)))
    opening = Opening(WORDS[seq - 1].subject, SALTS[seq - 1], SIGNAL)
    return Grant(LEAVES[seq - 1].decode(), opening, path)


def prove(purposes: tuple[Purpose, ...], *seqs: int | None, received_at: datetime = NOON) -> Proof:
    frontier = Frontier()
    for leaf in LEAVES:
        frontier.append(leaf_hash(leaf))
    event = Evidence("m1", WHO, received_at, purposes, tuple(grant(seq) if seq else None for seq in seqs))
    note = SIGNER.sign(frontier.size, frontier.root())
    return Proof(public_key=SIGNER.public_key, checkpoint=note, events=(signed(event, SIGNER),))


BOTH = (Purpose.ANALYTICS, Purpose.PERSONALIZATION)


def problem(proof: Proof) -> str | None:
    (finding,) = check_proof(proof)
    return finding.problem


def edited(proof: Proof, **changes: object) -> Proof:
    """Change the event of a proof and sign it again, as one who has the key and not the records could."""
    (event,) = proof.events
    return msgspec.structs.replace(proof, events=(signed(msgspec.structs.replace(event, **changes), SIGNER),))


def test_an_event_is_proven_through_its_json_alone() -> None:
    proof = read_proof(encode_proof(prove(BOTH, 1, 2)))
    assert problem(proof) is None
    assert check_proof(proof, SIGNER.public_key)[0].problem is None


@pytest.mark.parametrize(
    "changes",
    [
        {"message_id": "m2"},
        {"subject": OTHER},
        {"received_at": NOON + timedelta(seconds=1)},
        {"purposes": BOTH[::-1]},
        {"grants": (grant(2), grant(1))},
        {"grants": (grant(1), None)},
        {"signature": b""},
        {"signature": bytes(64)},
        {"signature": SIGNER.attest(b"something else")},
    ],
)
def test_an_event_that_was_not_signed_so_is_not_proven(changes: dict[str, object]) -> None:
    """The proof of one event is not the proof of another, whatever the records that it rests on."""
    proof = prove(BOTH, 1, 2)
    (event,) = proof.events
    changed = msgspec.structs.replace(proof, events=(msgspec.structs.replace(event, **changes),))
    assert problem(changed) == "it is not the event that was signed"


def test_an_event_signed_by_somebody_else_is_not_proven() -> None:
    proof = prove(BOTH, 1, 2)
    (event,) = proof.events
    stranger = Signer(UUID(int=7), bytes(range(32)))
    assert problem(msgspec.structs.replace(proof, events=(signed(event, stranger),))) is not None


def test_what_is_necessary_needs_no_record() -> None:
    assert problem(prove((Purpose.NECESSARY,), None)) is None
    assert problem(prove((Purpose.ANALYTICS,), None)) == "analytics: there is no record"


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        (prove(BOTH, 1), "side by side"),
        (prove(()), "side by side"),
        (prove((Purpose.ADVERTISING,), 1), "advertising: record 1 is about analytics"),
        (prove((Purpose.ADVERTISING,), 3), "record 3 says denied"),
        (prove((Purpose.ADVERTISING,), 4), "record 4 is about somebody else"),
        (prove((Purpose.ANALYTICS,), 5), "record 5 says withdrawn"),
        (prove((Purpose.ANALYTICS,), 1, received_at=NOON - timedelta(hours=1)), "said after the event"),
        (edited(prove((Purpose.ANALYTICS,), 1), subject=uuid4()), "somebody else"),
        (edited(prove(BOTH, 1, 2), purposes=(Purpose.ANALYTICS, Purpose.ADVERTISING)), "about personalization"),
    ],
)
def test_an_event_that_its_records_do_not_carry_is_named(proof: Proof, said: str) -> None:
    found = problem(proof)
    assert found is not None
    assert said in found


@pytest.mark.parametrize(
    "forge",
    [
        lambda leaf: leaf.replace('"denied"', '"granted"'),
        lambda leaf: leaf.replace('"seq":3', '"seq":2'),
        lambda leaf: " " + leaf,
        lambda leaf: leaf[:-1],
    ],
)
def test_a_record_that_was_changed_is_not_in_the_ledger(forge: Callable[[str], str]) -> None:
    real = grant(3)
    forged = msgspec.structs.replace(real, leaf=forge(real.leaf))
    found = problem(edited(prove((Purpose.ADVERTISING,), 3), grants=(forged,)))
    assert found is not None
    assert "not in the ledger" in found or "not readable" in found


def test_an_opening_of_another_record_fits_nobody() -> None:
    real = grant(1)
    for opening in (Opening(WHO, SALTS[1], SIGNAL), Opening(WHO, SALTS[0], None), Opening(OTHER, SALTS[0], SIGNAL)):
        forged = msgspec.structs.replace(real, opening=opening)
        found = problem(edited(prove((Purpose.ANALYTICS,), 1), grants=(forged,)))
        assert found == "analytics: record 1 is about somebody else"


def test_a_head_by_somebody_else_proves_nothing() -> None:
    proof = prove(BOTH, 1, 2)
    stranger = Signer(UUID(int=7), bytes(range(32)))
    with pytest.raises(Untrusted):
        check_proof(proof, stranger.public_key)
    with pytest.raises(Untrusted):
        check_proof(msgspec.structs.replace(proof, checkpoint=proof.checkpoint.replace("\n5\n", "\n6\n")))


def test_a_record_shows_neither_the_person_nor_the_signal() -> None:
    record = read_record(LEAVES[0])
    twin = read_record(write_record(WORDS[0], bytes(32 * [9]), seq=1, previous=GENESIS, at=NOON))
    assert record.subject != twin.subject
    assert record.signal not in {SIGNAL, twin.signal}
    assert WHO.bytes not in record.subject


@pytest.mark.parametrize("text", [b"", b"{}", b'{"v":2}', b"[" * 100_000, b"\xff"])
def test_what_is_no_proof_is_refused(text: bytes) -> None:
    with pytest.raises(Untrusted, match="not a proof"):
        read_proof(text)
