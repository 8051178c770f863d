"""What everyone in a batch has said so far: the stored words, and the batch's own on top of them."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from domain.alias import Alias, Subject
from domain.consent import Consent, Purpose, State, Statements
from gateway.collect.batch import Item
from stores.consents import Statement
from stores.subjects import Standing


class Saying(msgspec.Struct, frozen=True):
    """One word on one purpose."""

    state: State
    source: str
    spoken_at: datetime
    """By the speaker's clock, at the latest at its receipt: orders the words of one batch."""
    at: datetime
    """From when it holds: orders it among the stored words."""


class Words:
    """Hears the words of a batch in their order and tells what each event stands under by then.

    `times` are those of the stored words.
    """

    def __init__(self, standing: Standing, times: Mapping[tuple[UUID, Purpose], datetime]) -> None:
        self._standing = standing
        self._times = times
        self._heard: dict[tuple[UUID, Purpose], Saying] = {}
        self._profiles: dict[UUID, dict[Purpose, State]] = {}
        self._strangers: dict[Alias, dict[Purpose, State]] = {}
        self._refusals: dict[tuple[UUID, Purpose], tuple[int, datetime]] = {}
        self.news: list[Statement] = []
        """The statements to record and store, in their order."""
        self.places: list[int] = []
        """After which of the batch's items each of them holds."""

    def hear(self, item: Item, sayings: Mapping[Purpose, Saying], place: int, signal: bytes | None = None) -> None:
        """Take in what an event says, as far as nothing newer was said. Strangers are heard for this batch only."""
        for alias in item.aliases:
            if alias not in self._standing.subjects:
                said = {purpose: saying.state for purpose, saying in sayings.items()}
                self._strangers.setdefault(alias, {}).update(said)
        for subject in speakers(item, self._standing):
            for purpose, saying in sayings.items():
                if self._is_news(subject, purpose, saying):
                    self._take(subject, purpose, saying, signal)
        self.places += [place] * (len(self.news) - len(self.places))

    def of(self, item: Item) -> tuple[Statements, ...]:
        """Tell what the people behind an event have said by now."""
        said: list[Statements] = [
            {**subject.consent, **self._profiles.get(subject.profile_id, {})}
            for subject in speakers(item, self._standing)
        ]
        said.extend(self._strangers[alias] for alias in item.aliases if alias in self._strangers)
        return tuple(said)

    def _is_news(self, subject: Subject, purpose: Purpose, saying: Saying) -> bool:
        """Take any refusal; of grants those newer than the stored word and than what this batch has said before."""
        if saying.state is not State.GRANTED:
            return True
        key = subject.profile_id, purpose
        stored, heard = self._times.get(key), self._heard.get(key)
        if stored is not None and saying.at <= stored:
            return False
        # One message speaks for all subjects of a profile, so its own grant stands in nobody's way.
        return heard is None or saying.spoken_at > heard.spoken_at or saying is heard

    def _take(self, subject: Subject, purpose: Purpose, saying: Saying, signal: bytes | None) -> None:
        key, own = (subject.profile_id, purpose), (subject.id, purpose)
        state = self._word(subject, purpose, saying.state)
        # Clocks of gateways differ: no refusal may lose to a word that is stored already.
        at = saying.at if saying.state is State.GRANTED else max(saying.at, self._times.get(key, saying.at))
        self._heard[key] = saying
        self._profiles.setdefault(subject.profile_id, {})[purpose] = state
        if saying.state is not State.GRANTED:
            self._refusals[own] = len(self.news), saying.spoken_at
        elif own in self._refusals:
            # It was taken back within the batch, so it held from when it was spoken and no longer from its receipt.
            place, spoken_at = self._refusals.pop(own)
            taken_back = self.news[place]
            consent = msgspec.structs.replace(taken_back.consent, at=spoken_at)
            self.news[place] = msgspec.structs.replace(taken_back, consent=consent)
        self.news.append(Statement(subject.id, Consent(purpose, state, saying.source, at), signal))

    def _word(self, subject: Subject, purpose: Purpose, state: State) -> State:
        """Call a refusal of what was granted before withdrawn."""
        before = self._profiles.get(subject.profile_id, {}).get(purpose) or subject.consent.get(purpose, State.DENIED)
        return State.WITHDRAWN if state is State.DENIED and before is not State.DENIED else state


def speakers(item: Item, standing: Standing) -> list[Subject]:
    """List the known subjects of an event's aliases, that of the strongest first, each once."""
    found = (standing.subjects.get(alias) for alias in item.aliases)
    return list({subject.id: subject for subject in found if subject is not None}.values())
