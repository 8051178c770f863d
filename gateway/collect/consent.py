"""Consent that people give and take back by a message of its own, in force for the very next event."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from domain.alias import Alias, AliasKind, Subject
from domain.consent import Consent, Purpose, State, Statements, strictest
from domain.event import Call, CallType, ProtectedEvent
from domain.outcome import Outcome
from gateway.collect.batch import Batch, Item, Spoken
from gateway.collect.prove import digest_signals
from gateway.subjects import Subjects
from privacy.signals.sources import signals_of
from stores.consents import Statement
from stores.subjects import Standing

MESSAGE_NAMES: Final = frozenset({"Consent Preference Updated", "Segment Consent Preference Updated"})

_SOURCE: Final = "message"
_ENROLLING_KINDS: Final = frozenset({AliasKind.USER_ID, AliasKind.ANONYMOUS_ID})


class RecordConsent:
    """Stores what consent messages say before any later event of the batch meets the gate.

    A grant makes an unknown person known; a refusal never does, since nothing may be kept of someone who says no.
    Whoever the message's identifiers belong to is taken to have spoken. The message itself goes on the log without
    identifiers or content, for the purpose `necessary`.
    """

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects

    async def __call__(self, batch: Batch) -> None:
        """Store the statements, and bring `stored` of the events after each message up to date."""
        messages = [item for item, call in batch.open if is_message(call)]
        if not messages:
            return
        said = {id(item): statements_of(call, batch.headers) for item, call in batch.open if is_message(call)}
        await self._enrol(batch, (item for item in messages if State.GRANTED in said[id(item)].values()))
        profiles = {subject.profile_id for item in messages for subject in _speakers(item, batch.standing)}
        words = Words(batch.standing, await self._subjects.consent_times(batch.workspace.id, profiles))
        places: list[int] = []
        for place, item in enumerate(batch.items):
            call = item.call
            if item.result is not None or call is None:
                continue
            if id(item) in said:
                signal = digest_signals(call.context, batch.headers)
                words.hear(item, said[id(item)], min(call.timestamp, batch.received_at), signal)
                places += [place] * (len(words.news) - len(places))
                _finish(batch, item, call)
            else:
                item.stored = words.of(item)
        if words.news:
            plan = batch.workspace.plan_version
            seqs = await self._subjects.record(batch.workspace.id, words.news, profiles, plan=plan)
            batch.spoken = tuple(map(Spoken, places, words.news, seqs))

    async def _enrol(self, batch: Batch, granting: Iterable[Item]) -> None:
        known = batch.standing.subjects
        strongest = (
            next((alias for alias in item.aliases if alias.kind in _ENROLLING_KINDS), None) for item in granting
        )
        unknown = {alias: None for alias in strongest if alias is not None and alias not in known}
        enrolled = await self._subjects.enrol(batch.workspace, unknown)
        batch.standing = Standing({**known, **enrolled}, batch.standing.suppressed)


class Words:
    """What everyone in a batch has said so far: the stored words, and the batch's own on top of them."""

    def __init__(self, standing: Standing, times: Mapping[tuple[UUID, Purpose], datetime]) -> None:
        self._standing = standing
        self._times = dict(times)
        self._profiles: dict[UUID, dict[Purpose, State]] = {}
        self._strangers: dict[Alias, dict[Purpose, State]] = {}
        self.news: list[Statement] = []
        """The statements to record and store, in their order."""

    def hear(self, item: Item, statements: Statements, at: datetime, signal: bytes | None = None) -> None:
        """Take in a message, as far as nothing newer was said. Strangers are heard for this batch only."""
        for alias in item.aliases:
            subject = self._standing.subjects.get(alias)
            if subject is None:
                self._strangers.setdefault(alias, {}).update(statements)
        for subject in _speakers(item, self._standing):
            for purpose, state in statements.items():
                if self._is_news(subject, purpose, state, at):
                    word = self._word(subject, purpose, state)
                    self._times[subject.profile_id, purpose] = at
                    self._profiles.setdefault(subject.profile_id, {})[purpose] = word
                    self.news.append(Statement(subject.id, Consent(purpose, word, _SOURCE, at), signal))

    def of(self, item: Item) -> tuple[Statements, ...]:
        """Tell what the people behind an event have said by now."""
        said: list[Statements] = [
            {**subject.consent, **self._profiles.get(subject.profile_id, {})}
            for subject in _speakers(item, self._standing)
        ]
        said.extend(self._strangers[alias] for alias in item.aliases if alias in self._strangers)
        return tuple(said)

    def _word(self, subject: Subject, purpose: Purpose, state: State) -> State:
        """Call a refusal of what was granted before withdrawn."""
        before = self._profiles.get(subject.profile_id, {}).get(purpose) or subject.consent.get(purpose, State.DENIED)
        return State.WITHDRAWN if state is State.DENIED and before is not State.DENIED else state

    def _is_news(self, subject: Subject, purpose: Purpose, state: State, at: datetime) -> bool:
        """Of two words at the same instant the refusal counts; one message speaks for all subjects of a profile."""
        last = self._times.get((subject.profile_id, purpose))
        if last is None or at > last:
            return True
        return at == last and (
            state is not State.GRANTED or self._profiles.get(subject.profile_id, {}).get(purpose) is state
        )


def is_message(call: Call) -> bool:
    """Tell whether a call is a person's word on consent rather than something they did."""
    return call.type is CallType.TRACK and call.name in MESSAGE_NAMES and "consent" in call.context


def statements_of(call: Call, headers: Mapping[str, str]) -> Statements:
    """Give what a message says, its sources weighed against one another: one that refuses outweighs all."""
    sources = [signal.statements for signal in signals_of(call.context, headers)]
    refused = {purpose: State.DENIED for source in sources for purpose in source}
    return refused | dict.fromkeys(strictest(sources), State.GRANTED)


def _speakers(item: Item, standing: Standing) -> list[Subject]:
    """List the known subjects of an event's aliases, that of the strongest first, each once."""
    found = (standing.subjects.get(alias) for alias in item.aliases)
    return list({subject.id: subject for subject in found if subject is not None}.values())


def _finish(batch: Batch, item: Item, call: Call) -> None:
    speakers = _speakers(item, batch.standing)
    if not speakers:
        item.end(Outcome.DROPPED_CONSENT)
        return
    item.subject = speakers[0]
    item.event = ProtectedEvent(
        workspace=batch.workspace.id,
        message_id=call.message_id,
        subject=speakers[0].id,
        type=call.type,
        name=call.name,
        at=call.timestamp,
        received_at=call.received_at,
        aliases=(),
        purposes=(Purpose.NECESSARY,),
    )
