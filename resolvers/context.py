"""What resolvers can reach, from the widest to the narrowest: the process, who is calling, this one operation."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import strawberry

from domain.access import LookLimits
from domain.clock import Clock
from domain.consent import Statements
from domain.errors import Refused
from domain.event import CallType
from domain.key import Principal
from domain.outcome import Result
from domain.pace import Quota
from domain.spending import Spent
from domain.tracing import UNTRACED, Tracer
from learning.recommender import Recommender
from privacy.keys import WorkspaceKeys
from privacy.policy import Policy
from resolvers.budget import Budget
from resolvers.caller import Caller
from resolvers.live.hub import Hub
from resolvers.live.listener import Room
from resolvers.loaders import Loaders
from stores.answers import Answers
from stores.eventlog.port import EventLog
from stores.postgres import Database
from stores.subject_cache import SubjectCache

Collect = Callable[
    [Principal, Sequence[bytes], CallType | None, tuple[Statements, ...]], Awaitable[tuple[list[Result], Quota]]
]


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
    holidays: Collection[date] = ()
    """Days that are no business days beside Saturdays and Sundays."""
    answers: Answers | None = None
    """Keeps what mutations with an idempotency key were answered."""
    collect: Collect | None = None
    """Collects calls in the name of a key, and tells what it may still send."""
    tracer: Tracer = UNTRACED


@dataclass(slots=True)
class Session:
    """One HTTP request or one socket. The caller of a socket is known only after its `connection_init`."""

    services: Services
    request_id: str
    caller: Caller | None = None
    connection_params: dict[str, Any] | None = None
    released: bool = False
    """Whether personal data was shown, so that no copy of the answer may be kept."""
    notes_people: bool = False
    """Whether a copy of the answer is to be kept."""
    people: set[UUID] = field(default_factory=set)
    """Whose profiles were looked at: a copy of the answer goes with any of them."""
    _room: Room | None = field(default=None, init=False)

    @property
    def room(self) -> Room:
        """What may wait for all of its subscriptions together."""
        self._room = self._room or Room()
        return self._room

    def saw(self, people: Iterable[UUID]) -> None:
        """Note that the answer may show these people."""
        if self.notes_people:
            self.people.update(people)


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
            workspace = self.caller.principal.workspace
            self._loaders = Loaders(self.services.database, workspace, self.services.recommender, self.session.saw)
        return self._loaders

    async def policy(self) -> Policy:
        """Read what the caller's workspace says about who may see what."""
        return await self.services.policy_of(self.caller.principal.workspace)

    async def charge(self, points: int) -> None:
        """Charge the caller for the operation. Raises `CostExceeded`."""
        budget, caller = self.services.budget, self.session.caller
        if budget and caller:
            self.spent = await budget.charge(caller, points)

    def settle(self, objects: int) -> None:
        """Note how many objects the answer has, and give back what it was charged beyond."""
        budget, caller = self.services.budget, self.session.caller
        if budget and caller and self.spent:
            self.spent = budget.settle(caller, self.spent, objects)

    def forget(self) -> None:
        """Load everything anew from here on: the next payload of a subscription shows the state of its own time."""
        self._loaders = None


Info = strawberry.Info[Operation, None]
