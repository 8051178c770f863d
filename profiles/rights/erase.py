"""Erasure: out of the tables in one transaction, then out of everything that holds a copy."""

from domain.access import Access
from domain.consent import Purpose
from domain.errors import Refused, StoreUnavailable
from domain.request import Found
from domain.topics import CONSENTS, ERASURES, EVENTS, SEGMENT_CHANGES
from privacy.ledger.closing import closing_key
from profiles.notary import told_keys
from profiles.rights.case import Case, Counts, Procedure
from stores.access_log import record_access
from stores.erasure import erase_person, exits_published, remains
from stores.eventlog.port import EventLog, Record
from stores.journal import Entry, Journal, encode_entry
from stores.persons import find_person
from stores.requests import save_found
from stores.segments import hold_definitions
from stores.subject_cache import SubjectCache


def erasure(
    *,
    log: EventLog,
    cache: SubjectCache,
    journal: Journal | None,
    copies: Procedure = (),
) -> Procedure:
    """List the steps of an erasure.

    `copies` are those of whatever else keeps copies (a spool, inputs of models): they come after the tables and must go
    by `case.request.found`, for by then nobody can be looked up.
    """
    return (
        ("record", record),
        ("erase", Erase(journal)),
        ("forget_cached", ForgetCached(cache)),
        ("forget_logged", ForgetLogged(log)),
        *copies,
        ("tell_subscribers", TellSubscribers(log)),
        ("announce", Announce(log)),
        ("verify", verify),
    )


async def record(case: Case) -> Counts:
    """Write into the access log that the person is being erased, before anything is."""
    profiles = (await case.person()).profiles
    accesses = [
        Access(
            at=case.now,
            actor=f"job:{case.request.id}",
            action="erase",
            profile_id=profile,
            fields=("*",),
            purpose=Purpose.NECESSARY,
            reason=case.request.reason or "at the person's request",
        )
        for profile in profiles[:1]
    ]
    if accesses:
        await record_access(case.connection, case.request.workspace, accesses)
    return {"entries": len(accesses)}


class Erase:
    """Takes the person out of every table. The journal has it before the commit, so no restore can undo it."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal

    async def __call__(self, case: Case) -> Counts:
        """Erase whoever the request is about, by now; one never seen is kept from ever becoming known."""
        workspace = case.request.workspace
        # Alone with the definitions, so that no builder is in the middle of the person's events.
        await hold_definitions(case.connection, workspace)
        found = await case.person()
        await save_found(case.connection, case.request, found)
        counts = await _erase(case, found)
        if self._journal is not None:
            await write_down(self._journal, entry_of(case, found))
        return counts


class ForgetCached:
    """Tells every gateway through Redis that these identifiers are suppressed."""

    def __init__(self, cache: SubjectCache) -> None:
        self._cache = cache

    async def __call__(self, case: Case) -> Counts:
        """Overwrite what is cached; without Redis, gateways read Postgres, and the step is tried again."""
        await self._cache.suppress(case.request.workspace, case.request.found.aliases)
        return {"entries": len(case.request.found.aliases)}


class ForgetLogged:
    """Empties the person's records on a log that can be rewritten. On the others their key's end has to do."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def __call__(self, case: Case) -> Counts:
        """Empty what lies under any id that the person's records, of events and of consent, were ever laid under."""
        found = case.request.found
        emptied = await self._log.forget(EVENTS, log_keys(found))
        return {"records": emptied + await self._log.forget(CONSENTS, told_keys(found.subjects))}


class TellSubscribers:
    """Waits until the end of each membership is published, then clears the compacted topic of them."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def __call__(self, case: Case) -> Counts | None:
        """Return None while an exit waits for the publisher."""
        found = case.request.found
        if not await exits_published(case.connection, case.request.workspace, found.profiles):
            return None
        return {"records": await self._log.forget(SEGMENT_CHANGES, log_keys(found))}


class Announce:
    """Puts the erasure on the topic by which consumers of ours, and a restored installation, learn of it."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def __call__(self, case: Case) -> Counts:
        """Append one record, in ids and blind indexes."""
        entry = entry_of(case, case.request.found)
        for failure in await self._log.append(ERASURES, [Record(case.request.workspace.bytes, encode_entry(entry))]):
            if failure is not None:
                raise failure
        return {"records": 1}


async def _erase(case: Case, found: Found) -> dict[str, int]:
    return await erase_person(
        case.connection,
        case.request.workspace,
        found,
        request=case.request.id,
        at=case.now,
        closing_key=closing_key(case.keys),
    )


async def verify(case: Case) -> Counts:
    """Look whether anything is left, and take out what a gateway may have written that very moment.

    Raises `Refused` when something stays all the same.
    """
    workspace, found = case.request.workspace, case.request.found
    left = await remains(case.connection, workspace, found)
    if any(left.values()):
        await hold_definitions(case.connection, workspace)
        again = await find_person(case.connection, workspace, aliases=found.aliases, subjects=found.subjects)
        await _erase(case, again)
        left = await remains(case.connection, workspace, found)
    if any(left.values()):
        places = ", ".join(f"{name}: {number}" for name, number in left.items() if number)
        raise Refused(f"not everything is gone ({places})", code="internal")
    return left


def entry_of(case: Case, found: Found) -> Entry:
    """Give what the journal and the topic keep of an erasure."""
    done = case.request.steps.get("erase")
    return Entry(
        case.request.workspace, case.request.id, found.subjects, found.aliases, case.now if done is None else done.at
    )


async def write_down(journal: Journal, entry: Entry) -> None:
    """Append to the journal. Raises `StoreUnavailable` where its disk does not take it: then nothing is erased yet."""
    try:
        await journal.append(entry)
    except OSError as error:
        raise StoreUnavailable(f"the erasure journal cannot be written: {error.strerror}") from error


def log_keys(found: Found) -> list[bytes]:
    """List the keys that records about the person lie under: profiles and, before these were merged, subjects."""
    return [each.bytes for each in dict.fromkeys([*found.profiles, *found.subjects])]
