"""Access and portability: all that is held about a person, opened for them, and sealed again until they fetch it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.alias import Alias, AliasKind
from domain.clock import from_micros
from domain.request import Found, RequestKind
from privacy.pseudonym import aliases_for
from profiles.rights.case import Case, Counts
from profiles.rights.opening import Opener
from profiles.rights.portable import batches, calls_of
from profiles.rights.processing import describe_processing
from stores import dossier
from stores.persons import read_holds, read_keys
from stores.requests import Sealed, save_result
from stores.statements import read_statements

RESULT: Final = "request.result"
"""What an answer is sealed as."""

KEPT: Final = timedelta(days=7)
"""How long an answer can be fetched."""


class Portrait(msgspec.Struct, frozen=True):
    """Who an answer is about, with what opens their data."""

    found: Found
    opener: Opener
    events: Sequence[dossier.Event]
    words: Sequence[dossier.Word]


Section = Callable[[Case, Portrait], Awaitable[Any]]
"""One part of what an access request is answered with, as JSON."""


class Gather:
    """Answers access and portability. `sections` are those of parts that other rooms keep about a person."""

    def __init__(self, sections: Mapping[str, Section] | None = None) -> None:
        self._sections = {**SECTIONS, **(sections or {})}

    async def __call__(self, case: Case) -> Counts:
        """Put the answer together and keep it sealed under the person's own key; of nobody known there is none."""
        connection, workspace = case.connection, case.request.workspace
        found = await case.person()
        if not found.subjects:
            return {"subjects": 0}
        keys = await read_keys(connection, workspace, found.subjects)
        portrait = Portrait(
            found=found,
            opener=Opener(case.keys, keys),
            events=await dossier.read_events(connection, workspace, found.subjects),
            words=await dossier.read_words(connection, workspace, found.subjects),
        )
        if case.request.kind is RequestKind.PORTABILITY:
            answer = self._head(case) | {"batches": batches(_calls(portrait))}
        else:
            answer = self._head(case)
            for name, section in self._sections.items():
                answer[name] = await section(case, portrait)
        subject = found.subjects[0]
        frame = case.keys.sealer(subject, keys[subject]).seal(RESULT, answer)
        await save_result(connection, case.request, Sealed(subject, frame), case.now + KEPT)
        return {"subjects": len(found.subjects), "events": len(portrait.events), "bytes": len(frame)}

    @staticmethod
    def _head(case: Case) -> dict[str, Any]:
        return {
            "format": f"tagway-{case.request.kind.value}/1",
            "request": case.request.id,
            "made_at": case.now,
        }


async def _profile(case: Case, portrait: Portrait) -> Any:
    row = await dossier.read_whole_profile(case.connection, case.request.workspace, portrait.found.profiles[0])
    if row is None:
        return None
    traits = {name: stated["v"] for name, stated in row.traits.items()}
    traits |= {name: portrait.opener.trait(row.sealed, name) for name in row.sealed}
    holds = await read_holds(case.connection, case.request.workspace, row.id)
    return {
        "id": row.id,
        "first_seen_at": row.first_seen_at,
        "last_seen_at": row.last_seen_at,
        "traits": traits,
        "event_counts": row.counters,
        "scores": {model: {"score": said["s"], "confidence": said["c"]} for model, said in row.scores.items()},
        "held_back": holds,
    }


async def _statements(case: Case, portrait: Portrait) -> Any:
    """List what was stated in events that are gone, also where something newer took its place in the profile."""
    kept = await read_statements(case.connection, case.request.workspace, portrait.found.subjects)
    return [
        {"trait": name, "value": value, "at": from_micros(stated["t"])}
        for said in kept.values()
        for name, stated, value in (
            *((name, stated, stated["v"]) for name, stated in said.traits.items()),
            *((name, stated, portrait.opener.trait(said.sealed, name)) for name, stated in said.sealed.items()),
        )
    ]


async def _identities(case: Case, portrait: Portrait) -> Any:
    """List identifiers with their values, as far as any event holds one; browsers' own ids are only kept as indexes."""
    known = await dossier.read_identities(case.connection, case.request.workspace, portrait.found.subjects)
    values = _values(case, portrait)
    listed: dict[tuple[AliasKind, object], dict[str, Any]] = {}
    for alias, at in known:
        if alias.version != case.keys.index_version:
            continue  # a rotation has it under another key as well
        value = values.get(alias)
        name = (alias.kind, alias.index if value is None else value)
        listed.setdefault(name, {"kind": alias.kind, "value": value, "first_seen_at": at})
    return list(listed.values())


async def _events(_case: Case, portrait: Portrait) -> Any:
    return [call | {"purposes": event.purposes, "receivedAt": event.received_at} for event, call in _calls(portrait)]


async def _consents(_case: Case, portrait: Portrait) -> Any:
    return [msgspec.to_builtins(word.consent) for word in portrait.words]


def _read(
    read: Callable[[Any, UUID, Found], Awaitable[list[dict[str, Any]]]],
) -> Section:
    async def section(case: Case, portrait: Portrait) -> Any:
        return await read(case.connection, case.request.workspace, portrait.found)

    return section


async def _processing(case: Case, _portrait: Portrait) -> Any:
    return describe_processing(case.plan.plan)


SECTIONS: Final[Mapping[str, Section]] = {
    "profile": _profile,
    "earlier_statements": _statements,
    "identities": _identities,
    "events": _events,
    "segments": _read(dossier.read_segments),
    "segment_history": _read(dossier.read_changes),
    "joined_by": _read(dossier.read_claims),
    "consents": _consents,
    "ledger": _read(dossier.read_records),
    "tokens_outside": _read(dossier.read_tokens),
    "requests": _read(dossier.read_requests),
    "looks_at_the_data": _read(dossier.read_looks),
    "processing": _processing,
}
"""What an access request is answered with, in this order."""


def _calls(portrait: Portrait) -> list[tuple[dossier.Event, dict[str, Any]]]:
    stand_in = str(portrait.found.profiles[0])
    return calls_of(portrait.events, portrait.opener, portrait.words, stand_in)


def _values(case: Case, portrait: Portrait) -> dict[Alias, str]:
    """Find the plain value of each index, by indexing whatever the person's events hold in sealed form."""
    values: dict[Alias, str] = {}
    for event in portrait.events:
        for path, kind in _IDENTIFIERS.items():
            if path in event.sealed:
                value = portrait.opener.frame(event.subject_id, path, event.sealed[path])
                values |= dict.fromkeys(aliases_for(kind, value, case.keys), str(value))
    return values


_IDENTIFIERS: Final = {"user_id": AliasKind.USER_ID, "traits.email": AliasKind.EMAIL, "traits.phone": AliasKind.PHONE}
