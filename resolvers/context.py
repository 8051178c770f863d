"""What resolvers can reach, from the widest to the narrowest: the process, who is calling, this one operation."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

import strawberry

from domain.access import LookLimits
from domain.alias import Alias, AliasKind
from domain.clock import Clock
from domain.errors import Refused
from domain.key import Principal, Scope
from domain.spending import Spent
from domain.tracing import UNTRACED, Tracer
from learning.recommender import Recommender
from privacy.keys import WorkspaceKeys
from privacy.policy import Policy
from privacy.pseudonym import aliases_for
from resolvers.budget import Budget
from resolvers.cursor import Cursors
from resolvers.live.hub import Hub
from resolvers.loaders import Loaders
from stores.answers import Answers
from stores.eventlog.port import EventLog
from stores.postgres import Database
from stores.subject_cache import SubjectCache


@dataclass(frozen=True, slots=True)
class Services:
    """What a process has one of. `development` opens introspection to everyone."""

    database: Database
    hub: Hub
    subjects: SubjectCache
    clock: Clock
    policy_of: Callable[[UUID], Awaitable[Policy]]
    keys_of: Callable[[UUID, int], Awaitable[WorkspaceKeys]]
    """Gives a workspace's keys, with every change up to a stamp."""
    recommender: Recommender
    development: bool = False
    budget: Budget | None = None
    """Charges keys for what they ask; None charges nobody."""
    log: EventLog | None = None
    """Where dead letters are sent again."""
    look_limits: LookLimits = field(default_factory=LookLimits)
    """How much personal data one key may see."""
    answers: Answers | None = None
    """Keeps what mutations with an idempotency key were answered."""
    tracer: Tracer = UNTRACED


@dataclass(frozen=True)
class Caller:
    """Who is calling, with the keys of their workspace."""

    principal: Principal
    keys: WorkspaceKeys

    @cached_property
    def cursors(self) -> Cursors:
        """Signs the cursors of the caller's workspace."""
        return Cursors(self.keys.signing_key("cursor"))

    def aliases_for(self, kind: AliasKind, value: str) -> tuple[Alias, ...]:
        """Give the blind indexes to look an identifier up by, in all its spellings; none when it cannot be one."""
        return self.keys.everywhere(aliases_for(kind, value, self.keys))

    def require(self, *scopes: Scope, end_users: bool) -> None:
        """Raise `Refused` unless the caller has all scopes and is no end user where those are not let in."""
        if self.principal.is_end_user and not end_users:
            raise Refused("An end user's token may not do that.", code="wrong_kind_of_key")
        missing = [scope for scope in scopes if scope not in self.principal.scopes]
        if missing:
            raise Refused(f"The key lacks the scope {missing[0]}.", code="missing_scope")


@dataclass(slots=True)
class Session:
    """One HTTP request or one socket. The caller of a socket is known only after its `connection_init`."""

    services: Services
    request_id: str
    caller: Caller | None = None
    connection_params: dict[str, Any] | None = None
    released: bool = False
    """Whether personal data was shown, so that no copy of the answer may be kept."""


@dataclass(slots=True)
class Operation:
    """One operation. A socket runs many, so nothing that was loaded for one of them may serve another."""

    session: Session
    spent: Spent | None = field(default=None, init=False)
    """What the operation was charged."""
    _loaders: Loaders | None = field(default=None, init=False)

    @property
    def services(self) -> Services:
        """What the process has one of."""
        return self.session.services

    @property
    def caller(self) -> Caller:
        """Who is calling. Raises `Refused` when nobody said."""
        if self.session.caller is None:
            raise Refused(code="missing_key")
        return self.session.caller

    @property
    def loaders(self) -> Loaders:
        """What was loaded so far, for the caller's workspace."""
        if self._loaders is None:
            self._loaders = Loaders(self.services.database, self.caller.principal.workspace, self.services.recommender)
        return self._loaders

    async def policy(self) -> Policy:
        """Read what the caller's workspace says about who may see what."""
        return await self.services.policy_of(self.caller.principal.workspace)

    async def charge(self, points: int) -> None:
        """Charge the caller for the operation. Raises `CostExceeded`."""
        budget, caller = self.services.budget, self.session.caller
        if budget and caller:
            self.spent = await budget.charge(caller, points)

    def forget(self) -> None:
        """Load everything anew from here on: the next payload of a subscription shows the state of its own time."""
        self._loaders = None


Info = strawberry.Info[Operation, None]
