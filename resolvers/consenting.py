"""Hearing a person's own word on consent, the same way to give it and to take it back."""

import re
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec
import uuid_utils.compat

from domain.consent import CONSENTABLE, Consent, Purpose, State
from domain.errors import Refused, StoreUnavailable
from domain.key import Scope
from privacy.signals.sources import GPC
from resolvers.caller import Caller
from resolvers.context import Info
from resolvers.forgetting import forget_cached
from resolvers.problems import InvalidInput, NotFound
from resolvers.profile import ProfileBy, wanted
from stores.consents import Statement, store_consents
from stores.faults import Contended, Unfit, transaction
from stores.postgres import Connection
from stores.reads.consents import controlled_purposes, first_subject, last_words
from stores.subjects import Newcomer, enrol_subjects, find_subjects, profile_aliases
from stores.workspace_keys import StaleKeys
from stores.workspaces import read_workspace

_SOURCE: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)
_LONGEST_NOTICE: Final = 100
_ATTEMPTS: Final = 5
_AFTER: Final = timedelta(microseconds=1)


class Person(msgspec.Struct, frozen=True):
    """Somebody who can be spoken for: their profile, and the subject that new words are stored under."""

    profile: UUID
    subject: UUID


class Words(msgspec.Struct, frozen=True):
    """What is to be stored."""

    states: Sequence[tuple[Purpose, State]]
    source: str | None
    notice: str | None
    is_own_choice: bool
    """The person speaks, and not somebody for them: only that ends their Global Privacy Control."""

    def problem(self) -> InvalidInput | None:
        """Say what is wrong with it."""
        purposes = [purpose for purpose, _ in self.states]
        if not purposes or len(set(purposes)) < len(purposes):
            return _invalid("purposes", "Name at least one purpose, and each once.")
        if not {*purposes} <= {*CONSENTABLE}:
            return _invalid("purposes", "What is necessary needs no consent.")
        if self.source is not None and not _SOURCE.fullmatch(self.source):
            return _invalid("source", "A source is a short name of lower-case letters, digits, '_', '.' and '-'.")
        if self.source == GPC and any(state is State.GRANTED for _, state in self.states):
            return _invalid("source", "Global Privacy Control only refuses.")
        if self.notice is not None and not 0 < len(self.notice) <= _LONGEST_NOTICE:
            return _invalid("policyVersion", f"A version has 1 to {_LONGEST_NOTICE} characters.")
        return None


class Heard(msgspec.Struct, frozen=True):
    """What became of a word: whose it was, and the grants that were not taken."""

    person: Person
    held_back: list[Purpose]


def require_speaker(caller: Caller) -> None:
    """Let end users speak for themselves, and keys with one of two scopes for others. Raises `Refused`."""
    if not caller.principal.is_end_user and caller.principal.scopes.isdisjoint(
        {Scope.PRIVACY_ADMIN, Scope.PROFILES_WRITE}
    ):
        raise Refused(f"The key needs the scope {Scope.PROFILES_WRITE} or {Scope.PRIVACY_ADMIN}.", code="missing_scope")


async def find_person(connection: Connection, caller: Caller, by: ProfileBy | None) -> Person | None:
    """Find who is meant, also before anything about them was built. Raises `Refused` like `wanted`."""
    whom = wanted(by, caller)
    if not isinstance(whom, tuple):
        subject = await first_subject(connection, whom)
        return Person(whom, subject) if subject else None
    standing = await find_subjects(connection, caller.principal.workspace, whom)
    found = (standing.subjects.get(alias) for alias in whom if alias not in standing.suppressed)
    known = next((subject for subject in found if subject is not None), None)
    return Person(known.profile_id, known.id) if known else None


async def hear(info: Info, by: ProfileBy | None, words: Words) -> Heard | InvalidInput | NotFound:
    """Record and store a word, and see that every gateway goes by it. Raises `Refused`, `StoreUnavailable`.

    Someone who is unknown becomes known by it, so that a no can be honoured too; an erased person does not.
    """
    caller, services = info.context.caller, info.context.services
    require_speaker(caller)
    problem = words.problem()
    if problem is not None:
        return problem
    for _ in range(_ATTEMPTS):
        try:
            return await _hear(info, by, words)
        except StaleKeys as stale:
            # The caller holds the one object of the workspace's keys: these are what the next attempt uses.
            await services.keys_of(caller.principal.workspace, stale.stamp)
        except (Contended, Unfit) as error:
            raise StoreUnavailable from error
    raise StoreUnavailable("the keys of the workspace keep changing")


async def _hear(info: Info, by: ProfileBy | None, words: Words) -> Heard | NotFound:
    caller, services = info.context.caller, info.context.services
    workspace = caller.principal.workspace
    async with services.database.workspace(workspace) as connection, transaction(connection):
        person = await find_person(connection, caller, by) or await _enrol(info, connection, by)
        if person is None:
            return NotFound(code="not_found", message="Nobody is known by that.", path=["input", "by"])
        controlled = set() if words.is_own_choice else await controlled_purposes(connection, person.profile)
        info.context.session.saw([person.profile])
        held_back = [purpose for purpose, said in words.states if said is State.GRANTED and purpose in controlled]
        await _store(info, connection, person, words, held_back)
        aliases = await profile_aliases(connection, workspace, [person.profile])
    await forget_cached(info, aliases)
    return Heard(person, held_back)


async def _enrol(info: Info, connection: Connection, by: ProfileBy | None) -> Person | None:
    caller = info.context.caller
    workspace, stamp = caller.principal.workspace, caller.keys.stamp
    whom = wanted(by, caller)
    if not isinstance(whom, tuple) or not whom:
        return None
    if (await find_subjects(connection, workspace, whom)).suppressed:
        return None
    alias, key = whom[0], caller.keys.new_wrapped_key()
    newcomer = Newcomer(alias, uuid_utils.compat.uuid7(), key, caller.keys.coming(alias))
    standing = await enrol_subjects(connection, workspace, [newcomer], info.context.services.clock(), stamp=stamp)
    subject = standing.subjects[newcomer.alias]
    return Person(subject.profile_id, subject.id)


async def _store(
    info: Info, connection: Connection, person: Person, words: Words, held_back: Collection[Purpose]
) -> None:
    caller, now = info.context.caller, info.context.services.clock()
    workspace = caller.principal.workspace
    source = words.source or ("self" if caller.principal.is_end_user else "api")
    before = await last_words(connection, person.profile)
    row = await read_workspace(connection, workspace)
    statements = []
    for purpose, said in words.states:
        if purpose in held_back:
            continue
        last = before.get(purpose)
        withdrawn = said is State.DENIED and last is not None and last.state is not State.DENIED
        # Clocks of gateways differ: what is said now comes after what is stored.
        at = now if last is None else max(now, last.at + _AFTER)
        state = State.WITHDRAWN if withdrawn else said
        statements.append(Statement(person.subject, Consent(purpose, state, source, at), notice=words.notice))
    await store_consents(connection, workspace, statements, plan=row.plan_version if row else 0)


def _invalid(name: str, message: str) -> InvalidInput:
    return InvalidInput(code="invalid_request", message=message, path=["input", name])
