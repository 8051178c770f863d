"""One request on the desk: what each step of its procedure is given, and what it gives back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from domain.request import Found, Request
from privacy.compiled import CompiledPlan
from privacy.keys import WorkspaceKeys
from stores.persons import find_person
from stores.postgres import Connection


@dataclass(frozen=True, slots=True)
class Case:
    """A request that its worker owns, inside an open transaction, with the keys and the plan of its workspace."""

    connection: Connection
    request: Request
    keys: WorkspaceKeys
    plan: CompiledPlan
    now: datetime

    async def person(self) -> Found:
        """Look up whom the request is about, as it stands now."""
        profile = self.request.profile_id
        found = await find_person(
            self.connection,
            self.request.workspace,
            aliases=self.request.named,
            profiles=() if profile is None else (profile,),
        )
        return msgspec.structs.replace(found, aliases=self.keys.everywhere(found.aliases))


Counts = Mapping[str, int]
"""How much a step found to do, by what it was done to."""

Act = Callable[[Case], Awaitable[Counts | None]]
"""One step. It may come again after a crash, and then finds less to do; None says that it has to wait for others.

Raises `Refused` when the request can never be met, with a detail that is safe to show, and `StoreUnavailable` or
`LogUnavailable` to be tried again.
"""

Procedure = Sequence[tuple[str, Act]]
"""Named steps, in their order."""
