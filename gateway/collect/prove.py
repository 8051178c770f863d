"""On which record of the consent ledger each purpose of an event rests."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.alias import Subject
from domain.consent import Purpose, State, Statements
from domain.event import Call
from gateway.collect.batch import Batch, Item
from gateway.subjects import Subjects
from privacy.ledger.record import CONSENT, DECLARED, LINKED, Word, digest_signal
from privacy.signals.sources import NAMES as CONSENT_FIELDS
from stores.ledger.records import Claim


class Prove:
    """Finds the records that events rest on, and makes those that are missing, all of a batch at once.

    A stored word of the person stands first, then what the event itself claims, then the word that was given under
    another identifier of theirs. A claim is recorded the first time that the person makes it: their next events find
    it with the person, and cost a look-up in memory.
    """

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects

    async def __call__(self, batch: Batch) -> None:
        """Fill `proofs` of each item."""
        waiting: list[tuple[Item, list[int | Claim]]] = []
        missing: dict[Claim, Word] = {}
        claims: dict[bytes, _Claims] = {}
        places = {id(item): place for place, item in enumerate(batch.items)} if batch.spoken else {}

        def ground(item: Item, call: Call) -> None:
            subject, verdict = item.subject, item.verdict
            if item.event is not None or subject is None or verdict is None:
                return
            claimed = claims.get(item.words)
            if claimed is None:
                claimed = claims[item.words] = _Claims(batch, item, call)
            purposes = batch.workspace.plan.program(call, verdict.purposes).purposes
            grounds = _Grounds(batch, places.get(id(item), 0), item, call, subject, claimed)
            found = [grounds.of(purpose) for purpose in purposes]
            if grounds.missing:
                missing.update(grounds.missing)
                waiting.append((item, found))
            else:
                item.proofs = tuple(found)  # type: ignore[arg-type]  # what is not missing is a number

        batch.each(ground)
        recorded = await self._subjects.record_claims(batch.workspace.id, missing.values())
        for item, found in waiting:
            item.proofs = tuple(each if isinstance(each, int) else recorded[each] for each in found)


class _Claims:
    """What events grant by themselves, the same for all that say the same words."""

    def __init__(self, batch: Batch, item: Item, call: Call) -> None:
        said = [(signal.source, signal.statements) for signal in item.signals]
        self.sources: dict[Purpose, str] = {}
        """Who grants each purpose: of several the first."""
        for source, statements in [*((DECLARED, each) for each in batch.declared), *said]:
            for purpose, state in statements.items():
                if state is State.GRANTED:
                    self.sources.setdefault(purpose, source)
        self.digest = digest_signals(call.context, batch.headers, batch.declared, batch.basis)
        self.name = self.digest.hex()


class _Grounds:
    """What one event rests on."""

    __slots__ = ("_batch", "_call", "_claims", "_item", "_known", "_place", "_subject", "missing")

    def __init__(self, batch: Batch, place: int, item: Item, call: Call, subject: Subject, claims: _Claims) -> None:
        self._batch = batch
        self._place = place
        self._item = item
        self._call = call
        self._subject = subject
        self._claims = claims
        self._known: Mapping[Purpose, int] = subject.evidence.get(claims.name, {})
        self.missing: dict[Claim, Word] = {}

    def of(self, purpose: Purpose) -> int | Claim:
        """Give the record of a granted purpose, or the claim that is to be recorded."""
        subject = self._subject
        spoken = self._spoken(purpose) if self._batch.spoken else {}
        if spoken and subject.id in spoken:
            return spoken[subject.id]
        own = subject.records.get(purpose)
        if own is not None and subject.consent.get(purpose) is State.GRANTED:
            return own
        source = self._claims.sources.get(purpose)
        if source is not None:
            return self._known.get(purpose) or self._miss(purpose, source, self._claims.digest)
        digest = digest_signal({"record": self._linked(purpose, spoken)})
        known = subject.evidence.get(digest.hex(), {}).get(purpose)
        return known or self._miss(purpose, LINKED, digest)

    def _miss(self, purpose: Purpose, source: str, digest: bytes) -> Claim:
        claim = Claim(self._subject.id, digest, purpose)
        self.missing[claim] = Word(
            subject=self._subject.id,
            purpose=purpose,
            state=State.GRANTED,
            source=source,
            said_at=min(self._call.timestamp, self._batch.received_at),
            basis=self._batch.basis if source == DECLARED else CONSENT,
            signal=digest,
            plan=self._batch.workspace.plan_version,
        )
        return claim

    def _spoken(self, purpose: Purpose) -> dict[object, int]:
        """Give the grants that messages before this event have made and not taken back, by subject."""
        words = {
            statement.subject_id: (statement.consent.state, seq)
            for place, statement, seq in self._batch.spoken
            if place < self._place and statement.consent.purpose is purpose
        }
        return {subject: seq for subject, (state, seq) in words.items() if state is State.GRANTED}

    def _linked(self, purpose: Purpose, spoken: Mapping[object, int]) -> int:
        """Give the record of the word that another subject has spoken; 0 where it was not recorded."""
        subjects = [self._batch.standing.subjects.get(alias) for alias in self._item.aliases]
        behind = [self._subject, *(subject for subject in subjects if subject is not None)]
        for subject in behind:
            if subject.id in spoken:
                return spoken[subject.id]
        for subject in behind:
            if subject.consent.get(purpose) is State.GRANTED:
                return subject.linked.get(purpose) or subject.records.get(purpose) or 0
        return max(spoken.values(), default=0)


def digest_signals(
    context: Mapping[str, Any],
    headers: Mapping[str, str],
    declared: Sequence[Statements] = (),
    basis: str = DECLARED,
) -> bytes:
    """Digest all that a call says about consent, as it was sent."""
    said: dict[str, object] = {name: context[name] for name in CONSENT_FIELDS if name in context}
    if headers:
        said["headers"] = headers
    if declared:
        said["declared"] = declared
        if basis != DECLARED:
            said["basis"] = basis
    return digest_signal(said)
