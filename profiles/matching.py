"""Finding people who may be one by how alike their names, birth dates and postcodes are, without knowing any of these.

Whoever is alike enough is merged, if no limit objects; who is less alike, or may not be merged by itself, is put up for
somebody to look at.
"""

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Final
from uuid import UUID, uuid4

import structlog

from domain.alias import Alias
from domain.clock import Clock
from domain.errors import Refused, StoreUnavailable
from domain.identity import IdentityRules
from privacy.likeness import Likeness, compare
from profiles.catalogue import Definitions
from profiles.chores import exhaust, keep_at
from profiles.joining import Deed, Outcome, in_transaction, join
from stores.faults import transaction
from stores.likeness import Pair, decide_candidate, pairs_of, put_up, take_uncompared
from stores.postgres import Connection, Database
from stores.workspaces import read_settings

ACTOR: Final = "match"

Forget = Callable[[UUID, Collection[Alias]], Awaitable[None]]

_LOG = structlog.get_logger(__name__)
_LOOK_EVERY: Final = 1.0
_AT_ONCE: Final = 50


class Matcher:
    """Compares people as their filters come in. Any number may run: each person is one worker's at a time."""

    def __init__(self, database: Database, clock: Clock, *, forget: Forget | None = None) -> None:
        self._database = database
        self._clock = clock
        self._forget = forget

    async def run(self) -> None:
        """Compare until cancelled."""
        await keep_at("matching", partial(exhaust, self.step), _LOOK_EVERY)

    async def step(self) -> int:
        """Compare some who wait, and return how many there were. Raises `StoreUnavailable`, `Contended`."""
        found: list[tuple[UUID, UUID, Pair, Likeness]] = []
        async with self._database.across() as connection:
            async with transaction(connection):
                waiting = await take_uncompared(connection, _AT_ONCE)
                for workspace, subject in waiting:
                    rules = (await read_settings(connection, workspace)).identity
                    if rules.matching:
                        found += await self._compare(connection, workspace, subject, rules)
            for workspace, candidate, pair, likeness in found:
                await self._merge(connection, workspace, candidate, pair, likeness)
        return len(waiting)

    async def _compare(
        self, connection: Connection, workspace: UUID, subject: UUID, rules: IdentityRules
    ) -> list[tuple[UUID, UUID, Pair, Likeness]]:
        """Put up whom a subject is like, and name those who are like enough to be merged."""
        certain = []
        for pair in await pairs_of(connection, workspace, subject):
            likeness = compare(pair.filters, pair.other_filters)
            if likeness is None or likeness.score < min(rules.review, rules.merge):
                continue
            candidate = await put_up(
                connection,
                workspace,
                (pair.subject_id, pair.other_subject_id),
                id_=uuid4(),
                score=likeness.score,
                scores=likeness.fields,
                at=self._clock(),
            )
            if candidate is not None and likeness.score >= rules.merge:
                certain.append((workspace, candidate, pair, likeness))
        return certain

    async def _merge(
        self, connection: Connection, workspace: UUID, candidate: UUID, pair: Pair, likeness: Likeness
    ) -> None:
        deed = Deed(ACTOR, f"alike by {likeness.score:.2f}", self._clock())

        async def act(definitions: Definitions) -> Outcome:
            two = (pair.profile_id, pair.other_profile_id)
            outcome = await join(connection, workspace, definitions, two, deed, within_limits=True)
            await decide_candidate(connection, workspace, candidate, "merged", actor=ACTOR, at=deed.at)
            return outcome

        try:
            outcome = await in_transaction(connection, workspace, act)
        except Refused:
            return  # it stays open, for somebody to decide
        if self._forget is not None:
            try:
                await self._forget(workspace, outcome.stale)
            except StoreUnavailable:
                # Entries live for seconds; what they say meanwhile was right before the merge.
                _LOG.warning("subject_cache_not_dropped")
