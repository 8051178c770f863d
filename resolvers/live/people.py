"""Who the listened-to people are: found once known, followed when two turn out to be one."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final
from uuid import UUID

from domain.alias import Alias
from domain.consent import Purpose
from resolvers.live.listener import Agreed, Listener, Marked, Moved
from stores.outage import STORE_FAULTS
from stores.postgres import Database
from stores.reads import consents, profiles
from stores.reads.stamps import Stamp, stamps

_EVERY_SECONDS: Final = 1.0
_STIRRED_SECONDS: Final = 0.05


class People:
    """Asks each second, in at most three statements per workspace, who everyone is and whether they agree.

    Sooner, when a change came for someone while others are still unknown, as it may be theirs; and, of those whose
    state is wanted, when there is news of them.

    `move` is told of each listener whose person stands elsewhere than before.
    """

    def __init__(self, database: Database, move: Callable[[Listener, UUID], None]) -> None:
        self._database = database
        self._move = move
        self._listeners: dict[UUID, set[Listener]] = defaultdict(set)
        self._strangers: dict[UUID, set[Listener]] = defaultdict(set)
        self._stirred: set[UUID] = set()
        self._news: dict[UUID, set[UUID]] = defaultdict(set)
        self._wake = asyncio.Event()

    def add(self, listener: Listener) -> None:
        """Keep an eye on a listener's person."""
        self._listeners[listener.wanted.workspace].add(listener)
        if listener.profile is None:
            self._strangers[listener.wanted.workspace].add(listener)

    def discard(self, listener: Listener) -> None:
        """Take the eye off."""
        for places in (self._listeners, self._strangers):
            places[listener.wanted.workspace].discard(listener)
            if not places[listener.wanted.workspace]:
                del places[listener.wanted.workspace]

    def stir(self, workspace: UUID) -> None:
        """Look soon if someone in the workspace is still unknown."""
        if workspace in self._strangers:
            self._stirred.add(workspace)
            self._wake.set()

    def hear(self, workspace: UUID, profile: UUID) -> None:
        """Look soon how a profile stands, whose state is wanted."""
        self._news[workspace].add(profile)
        self._wake.set()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        clock = asyncio.get_running_loop().time
        due = clock() + _EVERY_SECONDS
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(0.0, due - clock()))
            self._wake.clear()
            stirred, self._stirred = self._stirred, set()
            everyone = clock() >= due
            for workspace in list(self._listeners) if everyone else stirred:
                listeners = (self._listeners if everyone else self._strangers).get(workspace, ())
                with suppress(*STORE_FAULTS):
                    await self.locate(workspace, list(listeners))
            news, self._news = self._news, defaultdict(set)
            for workspace, ids in news.items():
                watching = [each for each in self._listeners.get(workspace, ()) if each.profile in ids]
                with suppress(*STORE_FAULTS):
                    await self.look(workspace, [] if everyone else watching)
            if everyone:
                due = clock() + _EVERY_SECONDS
            await asyncio.sleep(_STIRRED_SECONDS)

    async def locate(self, workspace: UUID, listeners: Iterable[Listener], *, quietly: bool = False) -> None:
        """Find where each listener's person stands, and tell those who moved unless `quietly`."""
        listeners = [listener for listener in listeners if listener.wanted.person is not None]
        aliases = list({alias for listener in listeners for alias in _aliases(listener)})
        ids = list({listener.profile for listener in listeners if listener.profile})
        async with self._database.workspace(workspace) as connection:
            owners = await profiles.of_aliases(connection, aliases) if aliases else {}
            ids = list({*ids, *owners.values()})
            heirs = await profiles.successors(connection, ids) if ids else {}
            places = {listener: _place(listener, owners, heirs) for listener in listeners}
            asked = list({place for listener, place in places.items() if place and listener.wanted.personalises})
            agreeing = await consents.agreeing(connection, asked, Purpose.PERSONALIZATION) if asked else {}
            watched = list({place for listener, place in places.items() if place and listener.wanted.state})
            marks = await stamps(connection, watched) if watched else {}
        for listener, after in places.items():
            before = listener.profile
            # A listener may have gone while Postgres was asked.
            if after is None or listener not in self._listeners.get(workspace, ()):
                continue
            agrees = not listener.wanted.personalises or after in agreeing
            if listener.agrees is not agrees:
                listener.agrees = agrees
                if not quietly:
                    listener.put(Agreed())
            if after == before:
                _mark(listener, marks.get(after), quietly=quietly)
                continue
            self._move(listener, after)
            self._strangers[workspace].discard(listener)
            if not self._strangers[workspace]:
                del self._strangers[workspace]
            if not quietly:
                listener.put(Moved(before, after))
            _mark(listener, marks.get(after), quietly=quietly)

    async def look(self, workspace: UUID, listeners: Iterable[Listener]) -> None:
        """Look how the profiles stand whose state is wanted, and tell those of whom it is another."""
        watching = [each for each in listeners if each.wanted.state and each.profile]
        if not watching:
            return
        async with self._database.workspace(workspace) as connection:
            marks = await stamps(connection, list({each.profile for each in watching if each.profile}))
        for listener in watching:
            if listener.profile:
                _mark(listener, marks.get(listener.profile), quietly=False)


def _mark(listener: Listener, found: Stamp | None, *, quietly: bool) -> None:
    if not listener.wanted.state:
        return
    stamp = None if found is None or found.restricted else found
    if (
        stamp
        and listener.stamp
        and stamp.profile_id == listener.stamp.profile_id
        and stamp.version < listener.stamp.version
    ):
        return  # read before what is known already
    if stamp != listener.stamp:
        listener.stamp = stamp
        if not quietly:
            listener.put(Marked(stamp))


def _place(listener: Listener, owners: Mapping[Alias, UUID], heirs: Mapping[UUID, UUID]) -> UUID | None:
    known = next((owners[alias] for alias in _aliases(listener) if alias in owners), listener.profile)
    return heirs.get(known, known) if known else None


def _aliases(listener: Listener) -> tuple[Alias, ...]:
    person = listener.wanted.person
    return person if isinstance(person, tuple) else ()
