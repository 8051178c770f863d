"""What people allow: read with its records, changed by one mutation, proven by the ledger."""

from datetime import datetime
from typing import Annotated

import msgspec
import strawberry
from strawberry.scalars import JSON

from domain.consent import CONSENTABLE, Purpose, State, ask_again_at
from domain.key import Scope
from privacy.ledger.checkpoint import Signer
from privacy.ledger.proof import encode_proof
from privacy.ledger.record import Record
from resolvers.caller import Caller
from resolvers.connection import First, page_size
from resolvers.consenting import Heard, Person, Words, find_person, hear
from resolvers.context import Info
from resolvers.fields import field, mutation
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, NotFound
from resolvers.profile import ProfileBy
from stores.ledger.heads import read_checkpoint, read_head
from stores.ledger.proofs import prove_events
from stores.reads.consents import LastWord, last_words, read_records


@strawberry.type
class PurposeConsent:
    """Where a person stands on one purpose. Without a state nothing was said, which counts as denied."""

    purpose: Purpose
    state: State | None
    source: str | None
    at: datetime | None
    seq: int | None = strawberry.field(description="Its record in the ledger.")
    repeats: int = strawberry.field(description="How often it was said again since that record; `at` is the last time.")
    ask_again_at: datetime | None = strawberry.field(
        description="After a refusal: do not ask again before this, twelve months later (11 CCR 7026)."
    )


@strawberry.type
class ConsentRecord:
    """One record of the ledger."""

    seq: int = strawberry.field(description="Its place in the ledger, from 1.")
    at: datetime = strawberry.field(description="When it was recorded.")
    said_at: datetime = strawberry.field(description="When it was said, by the client's clock.")
    purpose: Purpose
    state: State
    basis: str = strawberry.field(description="`consent` of the person, or `declared` by the operator's own systems.")
    source: str
    plan_version: int = strawberry.field(description="Of the tracking plan in use; 0 where it is not known.")
    policy_version: str | None = strawberry.field(description="The site's own name for the text it showed.")


@strawberry.type
class PersonConsent:
    """What one person allows."""

    person: strawberry.Private[Person]
    purposes: list[PurposeConsent]

    @field()
    async def records(self, info: Info, first: First = 20) -> list[ConsentRecord]:
        """What was recorded of the person, the newest first."""
        async with info.context.services.database.workspace(info.context.caller.principal.workspace) as connection:
            found = await read_records(connection, self.person.profile, page_size(first))
        return [_record(each) for each in found]


@strawberry.type
class Ledger:
    """The ledger of all consent: append-only, hashed into one tree, its heads signed."""

    size: int = strawberry.field(description="How many records there are.")
    head: str | None = strawberry.field(description="The newest signed head, a C2SP checkpoint.")
    public_key: str = strawberry.field(description="The key that signs, as a signed note's verifier key.")


@strawberry.input
class PurposeChoice:
    """A word on one purpose."""

    purpose: Purpose
    state: State


@strawberry.input
class SetConsentInput:
    """A person's word: the same shape to give and to take back."""

    purposes: list[PurposeChoice]
    by: ProfileBy | None = strawberry.field(default=None, description="Whose word; end users leave it out.")
    source: str | None = strawberry.field(default=None, description="Where it was said, as `preference_centre`.")
    policy_version: str | None = strawberry.field(default=None, description="The text that the person was shown.")
    own_choice: bool = strawberry.field(
        default=False,
        description="For keys: the person has made this choice themselves, by their own act, and you can show it. "
        "Without it no grant ends their Global Privacy Control. End users always speak for themselves.",
    )
    client_mutation_id: str | None = None


@strawberry.type
class ConsentPayload:
    """The word is recorded, and in force at every gateway within five seconds."""

    consent: PersonConsent
    held_back: list[Purpose] = strawberry.field(
        description="Granted in the input, and still refused: the person's Global Privacy Control stands against it."
    )
    client_mutation_id: str | None


SetConsentResult = Annotated[ConsentPayload | InvalidInput | NotFound, strawberry.union("SetConsentResult")]


@strawberry.type
class ConsentQueries:
    """Part of the root of queries."""

    @field(needs(Scope.PROFILES_READ, end_users=True))
    async def consent(self, info: Info, by: ProfileBy | None = None) -> PersonConsent | None:
        """What a person allows; null for someone unknown. End users leave `by` out and get themselves."""
        caller = info.context.caller
        async with info.context.services.database.workspace(caller.principal.workspace) as connection:
            person = await find_person(connection, caller, by)
        return await _standing(info, person) if person else None

    @field(needs(Scope.PRIVACY_ADMIN))
    async def ledger(self, info: Info) -> Ledger:
        """The consent ledger as it stands."""
        caller = info.context.caller
        async with info.context.services.database.workspace(caller.principal.workspace) as connection:
            end = await read_head(connection, caller.principal.workspace)
            note = await read_checkpoint(connection, caller.principal.workspace)
        return Ledger(size=end.size, head=note, public_key=_signer(caller).public_key)

    @field(needs(Scope.PRIVACY_ADMIN))
    async def consent_proof(self, info: Info, message_id: str) -> JSON | None:
        """The proof of the consent an event was processed on, for `tagway ledger check`; null without the event."""
        caller, services = info.context.caller, info.context.services
        workspace = caller.principal.workspace
        async with services.database.workspace(workspace) as connection:
            proof = await prove_events(connection, workspace, [message_id], _signer(caller), services.clock())
        return JSON(msgspec.json.decode(encode_proof(proof))) if proof.events else None


@strawberry.type
class ConsentMutations:
    """Part of the root of mutations."""

    @mutation(needs(end_users=True))
    async def set_consent(self, info: Info, input: SetConsentInput) -> SetConsentResult:  # noqa: A002 - Relay's name
        """Give consent, or take it back. Keys need `profiles:write` or `privacy:admin`; end users speak for themselves.

        A refusal of what was granted is recorded as withdrawn. Global Privacy Control ends by the person's own grant.
        """
        states = [(each.purpose, each.state) for each in input.purposes]
        words = Words(
            states,
            input.source,
            input.policy_version,
            is_own_choice=input.own_choice or info.context.caller.principal.is_end_user,
        )
        heard = await hear(info, input.by, words)
        if not isinstance(heard, Heard):
            return heard
        return ConsentPayload(
            consent=await _standing(info, heard.person),
            held_back=heard.held_back,
            client_mutation_id=input.client_mutation_id,
        )


async def _standing(info: Info, person: Person) -> PersonConsent:
    async with info.context.services.database.workspace(info.context.caller.principal.workspace) as connection:
        words = await last_words(connection, person.profile)
    return PersonConsent(person=person, purposes=[_purpose(purpose, words.get(purpose)) for purpose in CONSENTABLE])


def _purpose(purpose: Purpose, word: LastWord | None) -> PurposeConsent:
    if word is None:
        return PurposeConsent(purpose=purpose, state=None, source=None, at=None, seq=None, repeats=0, ask_again_at=None)
    return PurposeConsent(
        purpose=purpose,
        state=word.state,
        source=word.source,
        at=word.at,
        seq=word.seq,
        repeats=word.repeats,
        ask_again_at=ask_again_at(word.state, word.at),
    )


def _record(record: Record) -> ConsentRecord:
    return ConsentRecord(
        seq=record.seq,
        at=record.at,
        said_at=record.said_at,
        purpose=record.purpose,
        state=record.state,
        basis=record.basis,
        source=record.source,
        plan_version=record.plan,
        policy_version=record.notice,
    )


def _signer(caller: Caller) -> Signer:
    return Signer(caller.principal.workspace, caller.keys.signing_key("ledger"))
