"""Rectification: new values become a statement of their own, newer than all before, and identifiers follow them."""

from typing import Any, Final
from uuid import UUID

import msgspec

from domain.alias import Alias, AliasKind
from domain.consent import Purpose
from domain.errors import Refused
from domain.event import Call, CallType, ProtectedEvent
from privacy.gate import Verdict
from privacy.likeness import fields_told_by
from privacy.protect import protect
from privacy.pseudonym import aliases_for
from privacy.sealing import Unreadable
from profiles.catalogue import Catalogue
from profiles.memory import Memory
from profiles.rights.case import Case, Counts
from profiles.rights.opening import Opener
from profiles.traits import fold_event
from profiles.work import Work
from stores.dossier import granted_by, read_words
from stores.events import claim_messages, store_events
from stores.likeness import blank_likeness
from stores.persons import read_keys, replace_aliases, suppressed_among
from stores.profiles import Profile, create_profiles
from stores.requests import read_stated

STATED: Final = "request.stated"
"""What new values are sealed as, until they are applied."""

_IDENTIFYING: Final = (AliasKind.EMAIL, AliasKind.PHONE)


class Rectify:
    """Applies new values of traits. An e-mail address or phone number among them replaces the one that was stated."""

    def __init__(self, catalogue: Catalogue, memory: Memory) -> None:
        self._catalogue = catalogue
        self._memory = memory

    async def __call__(self, case: Case) -> Counts:
        """Write the statement. Raises `Refused` when nobody is known, or an identifier is somebody else's."""
        connection, workspace = case.connection, case.request.workspace
        definitions = await self._catalogue.share(connection, workspace)
        found = await case.person()
        stated = await read_stated(connection, case.request)
        if definitions is None or stated is None or not found.subjects:
            raise Refused("nothing is held about this person", code="not_found")
        keys = await read_keys(connection, workspace, found.subjects)
        opener = Opener(case.keys, keys)
        try:
            traits = opener.open(stated.subject_id, STATED, stated.frame)
        except Unreadable:
            raise Refused("the new values cannot be read any more", code="not_found") from None
        subject = found.subjects[0]
        words = await read_words(connection, workspace, found.subjects)
        event, left_out = self._state(case, subject, keys[subject], traits, granted_by(words))
        if not await claim_messages(connection, workspace, [event]):
            return {"traits": len(traits) - len(left_out)}
        profile_id = found.profiles[0]
        await create_profiles(connection, workspace, {profile_id: case.now})
        profiles = await self._memory.lock(connection, workspace, [profile_id])
        replaced = await _replace(case, opener, profiles[profile_id], subject, traits)
        if wrong := fields_told_by(traits):
            await blank_likeness(connection, workspace, found.subjects, wrong, case.now)
        await store_events(connection, workspace, [event])
        work = Work(connection, workspace, definitions, profiles, case.now)
        cause = {"request": case.request.kind.value}
        work.touch(profile_id).traits(
            work.index(profile_id), fold_event(profiles[profile_id], event, work.declared(profile_id)), cause
        )
        work.change(profile_id)
        await work.settle()
        return {"traits": len(traits) - len(left_out), "left_out": len(left_out), "identifiers": replaced}

    @staticmethod
    def _state(
        case: Case, subject: UUID, wrapped_key: bytes, traits: dict[str, Any], granted: frozenset[Purpose]
    ) -> tuple[ProtectedEvent, tuple[str, ...]]:
        """Make the statement: an identify call that the person's right stands for instead of a consent."""
        call = Call(
            type=CallType.IDENTIFY,
            message_id=f"request-{case.request.id}",
            name=CallType.IDENTIFY.value,
            timestamp=case.now,
            original_timestamp=None,
            sent_at=None,
            received_at=case.now,
            traits=traits,
        )
        if problems := case.plan.problems(call):
            raise Refused("; ".join(problems), code="invalid_event")
        # Each field may be corrected, whatever is granted: what is wrong may not stay so for want of consent.
        event, left_out = protect(
            call, Verdict(frozenset(Purpose)), (), case.keys.sealer(subject, wrapped_key), case.plan
        )
        used = tuple(sorted(case.plan.purposes_of(call) & granted)) or (Purpose.NECESSARY,)
        return msgspec.structs.replace(event, purposes=used), tuple(left_out)


async def _replace(case: Case, opener: Opener, profile: Profile, subject: UUID, traits: dict[str, Any]) -> int:
    """Let the identifiers follow the new values of the traits that they are; return how many are new."""
    gone: list[Alias] = []
    new: list[Alias] = []
    for kind in _IDENTIFYING:
        if kind.value not in traits:
            continue
        gone += [alias for alias in case.request.named if alias.kind is kind]
        gone += _indexes(case, kind, opener.trait(profile.sealed, kind.value))
        found = _indexes(case, kind, traits[kind.value])
        if not found:
            raise Refused(f"traits.{kind}: not an identifier, or a placeholder", code="invalid_event")
        new += found
    if await suppressed_among(case.connection, case.request.workspace, new):
        raise Refused("the new identifier belongs to someone who was erased", code="conflict")
    kept = set(new)
    is_theirs = await replace_aliases(
        case.connection,
        case.request.workspace,
        gone=[alias for alias in gone if alias not in kept],
        new=new,
        subject=subject,
        at=case.now,
    )
    if not is_theirs:
        raise Refused("the new identifier belongs to somebody else", code="conflict")
    return len(new)


def _indexes(case: Case, kind: AliasKind, value: object) -> list[Alias]:
    return list(case.keys.everywhere(aliases_for(kind, value, case.keys)))
