"""Words that stay in force: consent messages, and Global Privacy Control with any event at all.

Both count from the very next event on, and Global Privacy Control for its whole request. A refusal is stored whoever
speaks: of someone unknown a keyed index is kept, so that the no can be honoured, and nothing else.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from domain.alias import Alias, AliasKind
from domain.consent import Purpose, State, Statements, strictest
from domain.event import Call, CallType, ProtectedEvent
from domain.outcome import Outcome
from gateway.collect.batch import Batch, Item, Spoken
from gateway.collect.prove import digest_signals
from gateway.collect.words import Saying, Words, speakers
from gateway.subjects import Subjects
from privacy.signals.sources import GPC, NAMES, Signal
from privacy.signals.statements import SALE
from stores.subjects import Standing

MESSAGE_NAMES: Final = frozenset({"Consent Preference Updated", "Segment Consent Preference Updated"})

_MESSAGE: Final = "message"
_BEFORE_ALL: Final = -1
"""The place of what holds for a whole batch."""
_ENROLLING_KINDS: Final = frozenset({AliasKind.USER_ID, AliasKind.ANONYMOUS_ID})
_REPEATED_AFTER: Final = timedelta(hours=1)
"""Browsers repeat Global Privacy Control with every request; it is stored anew this often."""


class RecordConsent:
    """Stores what people say before any later event of the batch meets the gate.

    A refusal holds from its receipt on, whatever the client's clock says; a grant from when it was spoken, or from its
    receipt if that came first. Whoever the identifiers belong to is taken to have spoken. A message goes on the log
    without identifiers or content, for the purpose `necessary`.
    """

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects

    async def __call__(self, batch: Batch) -> None:
        """Store the statements, and bring `stored` of the events after each message up to date."""
        heard = _listen(batch)
        if not heard:
            return
        newcomers = await self._enrol(batch, heard)
        profiles = {subject.profile_id for each in heard for subject in speakers(each.item, batch.standing)}
        words = Words(batch.standing, await self._subjects.consent_times(batch.workspace.id, profiles))
        for each in heard:
            words.hear(each.item, each.control, _BEFORE_ALL, each.signal)
        messages = {id(each.item): each for each in heard if each.is_message}
        places = {id(item): place for place, item in enumerate(batch.items)}
        for item, call in batch.open:
            if id(item) in messages:
                each = messages[id(item)]
                words.hear(item, each.message, places[id(item)], each.signal)
                _finish(batch, item, call, newcomers)
            else:
                item.stored = words.of(item)
        if words.news:
            plan = batch.workspace.plan_version
            seqs = await self._subjects.record(batch.workspace.id, words.news, profiles, plan=plan)
            batch.spoken = tuple(map(Spoken, words.places, words.news, seqs))

    async def _enrol(self, batch: Batch, heard: Iterable["_Heard"]) -> frozenset[Alias]:
        """Make speakers known: by the strongest identifier to grant, by each to refuse. Return who only refused."""
        known = batch.standing.subjects
        granting: dict[Alias, None] = {}
        refusing: dict[Alias, None] = {}
        for each in heard:
            aliases = [alias for alias in each.item.aliases if alias.kind in _ENROLLING_KINDS]
            if each.grants:
                granting |= dict.fromkeys(aliases[:1])
            if each.refuses:
                refusing |= dict.fromkeys(aliases)
        unknown = {alias: None for alias in granting | refusing if alias not in known}
        enrolled = await self._subjects.enrol(batch.workspace, unknown)
        batch.standing = Standing({**known, **enrolled}, batch.standing.suppressed)
        return frozenset(enrolled.keys() - granting.keys())


class _Heard(msgspec.Struct, frozen=True):
    """What one event has to say: by Global Privacy Control, and by being a message."""

    item: Item
    control: Mapping[Purpose, Saying]
    message: Mapping[Purpose, Saying]
    is_message: bool
    signal: bytes
    """Digest of what was sent, for the ledger."""

    @property
    def grants(self) -> bool:
        return any(saying.state is State.GRANTED for saying in self.message.values())

    @property
    def refuses(self) -> bool:
        sayings = (*self.control.values(), *self.message.values())
        return any(saying.state is not State.GRANTED for saying in sayings)


def is_message(call: Call) -> bool:
    """Tell whether a call is a person's word on consent rather than something they did."""
    return call.type is CallType.TRACK and call.name in MESSAGE_NAMES and not NAMES.isdisjoint(call.context)


def statements_of(signals: Iterable[Signal]) -> Statements:
    """Weigh the sources of a message against one another: one that refuses outweighs all."""
    sources = [signal.statements for signal in signals]
    refused = {purpose: State.DENIED for source in sources for purpose in source}
    return refused | dict.fromkeys(strictest(sources), State.GRANTED)


def _listen(batch: Batch) -> list[_Heard]:
    """Pick out the events that have something to say that has to be stored.

    Beside a message Global Privacy Control is always heard, since it was sent at the same time.
    """
    heard = []
    has_messages = any(is_message(call) for _, call in batch.open)
    for item, call in batch.open:
        is_control = any(signal.is_privacy_control for signal in item.signals)
        is_word = is_message(call)
        if is_word or (is_control and (has_messages or not _is_stored(item, batch.standing, batch.received_at))):
            control = Saying(State.DENIED, GPC, batch.received_at, batch.received_at)
            said = statements_of(item.signals) if is_word else {}
            message = {
                purpose: _say(state, min(call.timestamp, batch.received_at), batch.received_at)
                for purpose, state in said.items()
                if not (is_control and purpose in SALE)
            }
            digest = digest_signals(call.context, batch.headers)
            heard.append(_Heard(item, dict.fromkeys(SALE, control) if is_control else {}, message, is_word, digest))
    return heard


def _say(state: State, spoken_at: datetime, received_at: datetime) -> Saying:
    return Saying(state, _MESSAGE, spoken_at, spoken_at if state is State.GRANTED else received_at)


def _is_stored(item: Item, standing: Standing, at: datetime) -> bool:
    """Tell whether everyone whom the event names is known to have sent Global Privacy Control lately."""
    if any(alias.kind in _ENROLLING_KINDS and alias not in standing.subjects for alias in item.aliases):
        return False
    stored = (subject.privacy_control_at for subject in speakers(item, standing))
    return all(since is not None and at - since < _REPEATED_AFTER for since in stored)


def _finish(batch: Batch, item: Item, call: Call, newcomers: frozenset[Alias]) -> None:
    people = speakers(item, batch.standing)
    if not people or all(alias in newcomers for alias in item.aliases if alias in batch.standing.subjects):
        item.end(Outcome.DROPPED_CONSENT, message="What is refused is stored, and nothing else." if people else None)
        return
    item.subject = people[0]
    item.event = ProtectedEvent(
        workspace=batch.workspace.id,
        message_id=call.message_id,
        subject=people[0].id,
        type=call.type,
        name=call.name,
        at=call.timestamp,
        received_at=call.received_at,
        aliases=(),
        purposes=(Purpose.NECESSARY,),
    )
