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
        places = {id(item): place for place, item in enumerate(batch.items)} if batch.spoken else {}

        def ground(item: Item, call: Call) -> None:
            subject, verdict = item.subject, item.verdict
            if item.event is not None or subject is None or verdict is None:
                return
            purposes = batch.workspace.plan.program(call, verdict.purposes).purposes
            grounds = _Grounds(batch, places.get(id(item), 0), item, call, subject)
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


class _Grounds:
    """What one event rests on."""

    def __init__(self, batch: Batch, place: int, item: Item, call: Call, subject: Subject) -> None:
        self._batch = batch
        self._place = place
        self._item = item
        self._call = call
        self._subject = subject
        self._digest: bytes | None = None
        self._known: Mapping[Purpose, int] = {}
        self.missing: dict[Claim, Word] = {}

    def of(self, purpose: Purpose) -> int | Claim:
        """Give the record of a granted purpose, or the claim that is to be recorded."""
        subject = self._subject
        spoken = self._spoken(purpose) if self._batch.spoken else {}
        if subject.id in spoken:
            return spoken[subject.id]
        own = subject.records.get(purpose)
        if own is not None and subject.consent.get(purpose) is State.GRANTED:
            return own
        source = self._source(purpose)
        if source is not None:
            return self._claimed(purpose, source)
        digest = digest_signal({"record": self._linked(purpose, spoken)})
        known = subject.evidence.get(digest.hex(), {}).get(purpose)
        return known or self._miss(purpose, LINKED, digest)

    def _source(self, purpose: Purpose) -> str | None:
        """Name who grants a purpose in the event itself."""
        if any(statements.get(purpose) is State.GRANTED for statements in self._batch.declared):
            return DECLARED
        for signal in self._item.signals:
            if signal.statements.get(purpose) is State.GRANTED:
                return signal.source
        return None

    def _claimed(self, purpose: Purpose, source: str) -> int | Claim:
        if self._digest is None:
            self._digest = digest_signals(
                self._call.context, self._batch.headers, self._batch.declared, self._batch.basis
            )
            self._known = self._subject.evidence.get(self._digest.hex(), {})
        return self._known.get(purpose) or self._miss(purpose, source, self._digest)

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
