"""Deciding who is who: pure, over the events of one batch and what is known of the profiles they speak of.

An event's subject is that of its strongest identifier. Its weaker identifiers are claims: one that is unknown becomes
the subject's own, one that belongs to somebody else says that the two are one person, which limits may refuse.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from domain.alias import SPELLED_KINDS, Alias, AliasKind
from domain.event import CallType, ProtectedEvent
from domain.identity import Decision, IdentityRules
from domain.request import Holds
from stores.claims import Claim, Edge
from stores.identities import Link, Owner

_ALIAS_OF_USERS: Final = "an alias call names two users: a request may merge them"
_KEPT_APART: Final = "kept apart by a request"


class Person(msgspec.Struct):
    """What is known of one profile, kept up while claims are decided."""

    id: UUID
    first_seen_at: datetime
    subjects: int = 1
    identifiers: dict[AliasKind, int] = {}
    holds: Holds = Holds()

    def precedence(self, rules: IdentityRules) -> tuple[int, datetime, UUID]:
        """Order of who stays in a merge: who has the strongest identifier, else who came first, else the smaller id."""
        ranks = [rules.ranks[kind] for kind, many in self.identifiers.items() if many]
        return (min(ranks, default=len(rules.ranks)), self.first_seen_at, self.id)


def objection(person: Person, other: Person, rules: IdentityRules) -> str | None:
    """Say which limit keeps two people from becoming one."""
    for kind, most in rules.most.items():
        mine, theirs = person.identifiers.get(kind, 0), other.identifiers.get(kind, 0)
        # Who has more than allowed already, by a request, may still gather what the other has none of.
        if mine and theirs and mine + theirs > most:
            return f"more than {most} of {kind}"
    if person.subjects + other.subjects > rules.subjects:
        return f"more than {rules.subjects} subjects"
    return None


class Resolution(msgspec.Struct):
    """What was decided. `merges` maps each losing profile to the one that has its subjects in the end."""

    profile_of: dict[UUID, UUID]
    """For each subject that was spoken of, the profile that carries it now."""
    merges: dict[UUID, UUID]
    links: list[Link]
    claims: list[Claim]


def resolve(
    events: Iterable[ProtectedEvent],
    profile_of: Mapping[UUID, UUID],
    owners: Mapping[Alias, Owner],
    people: Mapping[UUID, Person],
    rules: IdentityRules,
    apart: Iterable[Edge] = (),
) -> Resolution:
    """Decide on the claims of events, in their order.

    `profile_of` maps each event's subject to its profile, `owners` holds the known aliases of the events, `people`
    each profile that either speaks of, and `apart` the pairs of these that were parted.
    """
    decider = _Decider(profile_of, owners, people, rules, apart)
    for event in events:
        for place, alias in enumerate(event.aliases[1:], 1):
            decider.hear(event, alias, _first_spelling(event.aliases[:place], alias))
    return decider.outcome()


def _first_spelling(before: tuple[Alias, ...], alias: Alias) -> Alias | None:
    """Find the alias that this one is a further spelling of: the first of its kind and version in its event."""
    if alias.kind not in SPELLED_KINDS:
        return None
    return next((each for each in before if (each.kind, each.version) == (alias.kind, alias.version)), None)


class _Decider:
    def __init__(
        self,
        profile_of: Mapping[UUID, UUID],
        owners: Mapping[Alias, Owner],
        people: Mapping[UUID, Person],
        rules: IdentityRules,
        apart: Iterable[Edge],
    ) -> None:
        self._profile_of = dict(profile_of) | {owner.subject_id: owner.profile_id for owner in owners.values()}
        self._subject_of = {alias: owner.subject_id for alias, owner in owners.items()}
        self._people = people
        self._rules = rules
        self._apart = [(one, other) for _, one, other in apart]
        self._merged: dict[UUID, UUID] = {}
        self._decided: set[tuple[UUID, UUID]] = set()
        self._links: list[Link] = []
        self._claims: list[Claim] = []

    def hear(self, event: ProtectedEvent, alias: Alias, first: Alias | None) -> None:
        """Take in a weaker identifier of an event; `first` is the one that it is a further spelling of."""
        person = self._person(event.subject)
        other_subject = self._subject_of.get(alias)
        if other_subject is None:
            self._link(event, alias, person, first)
            return
        other = self._person(other_subject)
        if other is person or (event.subject, other_subject) in self._decided:
            return
        self._decided.add((event.subject, other_subject))
        reason = self._objection(person, other, event)
        if reason is not None:
            self._claim(event, alias, other_subject, Decision.REFUSED, reason)
            return
        winner, loser = sorted((person, other), key=lambda each: each.precedence(self._rules))
        self._claim(event, alias, other_subject, Decision.MERGED, winner=winner, loser=loser)
        self._merge(winner, loser)

    def outcome(self) -> Resolution:
        """Follow chains of merges to their ends."""
        profile_of = {subject: self._person(subject).id for subject in self._profile_of}
        merges = {loser: self._final(loser) for loser in self._merged}
        return Resolution(profile_of, merges, self._links, self._claims)

    def _link(self, event: ProtectedEvent, alias: Alias, person: Person, first: Alias | None) -> None:
        if first is None:
            held, most = person.identifiers.get(alias.kind, 0), self._rules.most[alias.kind]
            if held >= most:
                # An alias call names its previous id as a user id too, in case it is one: this one is not known as one.
                if event.type is not CallType.ALIAS:
                    self._claim(event, alias, event.subject, Decision.REFUSED, f"more than {most} of {alias.kind}")
                return
            person.identifiers[alias.kind] = held + 1
            self._claim(event, alias, event.subject, Decision.LINKED)
        elif first != event.aliases[0] and not self._is_of(first, person):
            # The identifier itself was refused, or is another's: so is each spelling of it.
            return
        self._subject_of[alias] = event.subject
        self._links.append(Link(alias, event.subject, event.received_at, is_spelling=first is not None))

    def _is_of(self, alias: Alias, person: Person) -> bool:
        return alias in self._subject_of and self._person(self._subject_of[alias]) is person

    def _objection(self, person: Person, other: Person, event: ProtectedEvent) -> str | None:
        both = {person.id, other.id}
        if any({self._final(one), self._final(another)} == both for one, another in self._apart):
            return _KEPT_APART
        reason = objection(person, other, self._rules)
        users = AliasKind.USER_ID
        if reason == f"more than {self._rules.most[users]} of {users}" and event.type is CallType.ALIAS:
            return _ALIAS_OF_USERS
        return reason

    def _claim(
        self,
        event: ProtectedEvent,
        alias: Alias,
        other_subject: UUID,
        decision: Decision,
        reason: str | None = None,
        *,
        winner: Person | None = None,
        loser: Person | None = None,
    ) -> None:
        self._claims.append(
            Claim(
                event.subject,
                other_subject,
                event.message_id,
                event.at,
                decision,
                reason,
                by=event.aliases[0].kind,
                alias=alias,
                profile_id=winner.id if winner else None,
                other_profile_id=loser.id if loser else None,
                held=(winner.holds, loser.holds) if winner and loser else None,
            )
        )

    def _merge(self, winner: Person, loser: Person) -> None:
        self._merged[loser.id] = winner.id
        winner.subjects += loser.subjects
        winner.first_seen_at = min(winner.first_seen_at, loser.first_seen_at)
        winner.holds = winner.holds.joined(loser.holds)
        for kind, many in loser.identifiers.items():
            winner.identifiers[kind] = winner.identifiers.get(kind, 0) + many

    def _person(self, subject: UUID) -> Person:
        return self._people[self._final(self._profile_of[subject])]

    def _final(self, profile: UUID) -> UUID:
        while profile in self._merged:
            profile = self._merged[profile]
        return profile
