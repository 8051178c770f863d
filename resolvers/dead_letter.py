"""Events that could not be built: what they looked like and why, correcting them, and trying again."""

from datetime import datetime
from typing import Annotated, cast

import strawberry
from strawberry.scalars import JSON

from domain.errors import LogUnavailable, Refused
from domain.key import Scope
from privacy.redact import redact
from profiles.dead_letters import fix, replay
from resolvers.connection import MOST, After, Connection, First, connect, page_size
from resolvers.context import Info
from resolvers.fields import field, mutation
from resolvers.node import from_global, to_global
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, NotFound
from stores import dead_letters as stored

_SORT = "dead_letters"


@strawberry.type
class DeadLetter:
    """A record of the log that could not be built. It stopped nobody behind it."""

    letter: strawberry.Private[stored.DeadLetter]
    id: strawberry.ID
    reason: str
    topic: str
    partition: int
    offset: str = strawberry.field(description="Its place in the partition, a whole number in decimal.")
    at: datetime = strawberry.field(description="When it was put aside.")
    fixed_at: datetime | None = strawberry.field(description="When it was last corrected.")

    @field()
    def content(self) -> JSON:
        """The record by its shape: names, types and lengths, and no value that says anything of a person."""
        return JSON(redact(self.letter.value))


@strawberry.input
class DeadLetterFieldInput:
    """A value to set."""

    path: str = strawberry.field(description="As `properties.price`.")
    value: JSON


@strawberry.input
class FixDeadLetterInput:
    """A correction of one record."""

    id: strawberry.ID
    set: list[DeadLetterFieldInput] = strawberry.field(default_factory=list)
    remove: list[str] = strawberry.field(default_factory=list, description="Paths of fields to leave out.")
    client_mutation_id: str | None = None


@strawberry.input
class ReplayDeadLettersInput:
    """Records to send through the builder again, at most 100."""

    ids: list[strawberry.ID]
    client_mutation_id: str | None = None


@strawberry.type
class FixDeadLetterPayload:
    """The record was corrected and waits to be replayed."""

    dead_letter: DeadLetter
    client_mutation_id: str | None


@strawberry.type
class ReplayDeadLettersPayload:
    """The records are on the log again. One that fails again comes back as another dead letter."""

    replayed_ids: list[strawberry.ID] = strawberry.field(description="Those left out are gone, or are no events yet.")
    client_mutation_id: str | None


FixDeadLetterResult = Annotated[FixDeadLetterPayload | InvalidInput | NotFound, strawberry.union("FixDeadLetterResult")]
ReplayDeadLettersResult = Annotated[
    ReplayDeadLettersPayload | InvalidInput, strawberry.union("ReplayDeadLettersResult")
]


@strawberry.type
class DeadLetterQueries:
    """What can be asked about dead letters."""

    @field(needs(Scope.EVENTS_READ))
    async def dead_letters(self, info: Info, first: First = 20, after: After = None) -> Connection[DeadLetter]:
        """Events that could not be built, the newest first."""
        services, caller = info.context.services, info.context.caller
        workspace, size = caller.principal.workspace, page_size(first)
        before = caller.cursors.read(_SORT, after, int) if after else None
        async with services.database.workspace(workspace) as connection:
            rows = await stored.list_dead_letters(connection, workspace, size + 1, before)

        async def count() -> int:
            async with services.database.workspace(workspace) as connection:
                return await stored.count_dead_letters(connection, workspace)

        return connect(
            rows, size, after, caller.cursors, _SORT, place=lambda row: row.id, item=_dead_letter, count=count
        )


@strawberry.type
class DeadLetterMutations:
    """What can be done about dead letters."""

    @mutation(needs(Scope.PRIVACY_ADMIN))
    async def fix_dead_letter(self, info: Info, input: FixDeadLetterInput) -> FixDeadLetterResult:  # noqa: A002 - Relay's name
        """Correct a record: its name, type, time, purposes, properties, traits or context; not whose it is."""
        services, workspace = info.context.services, info.context.caller.principal.workspace
        try:
            number = _number(input.id)
            async with services.database.workspace(workspace) as connection:
                put = {each.path: cast("object", each.value) for each in input.set}
                fixed = await fix(connection, workspace, number, put=put, drop=input.remove, at=services.clock())
        except Refused as error:
            return InvalidInput(code=error.code, message=str(error), path=["input"])
        if fixed is None:
            return NotFound(code="not_found", message="There is no such dead letter.", path=["input", "id"])
        return FixDeadLetterPayload(dead_letter=_dead_letter(fixed), client_mutation_id=input.client_mutation_id)

    @mutation(needs(Scope.PRIVACY_ADMIN))
    async def replay_dead_letters(self, info: Info, input: ReplayDeadLettersInput) -> ReplayDeadLettersResult:  # noqa: A002 - Relay's name
        """Put records on the log again and take them out of the dead letters."""
        services, workspace = info.context.services, info.context.caller.principal.workspace
        if services.log is None:
            raise LogUnavailable
        try:
            if len(input.ids) > MOST:
                raise Refused(f"At most {MOST} ids at once.")  # noqa: TRY301 - one end for all that is wrong with the input
            numbers = [_number(each) for each in input.ids]
        except Refused as error:
            return InvalidInput(code=error.code, message=str(error), path=["input", "ids"])
        async with services.database.workspace(workspace) as connection:
            sent = await replay(connection, services.log, workspace, numbers)
        return ReplayDeadLettersPayload(
            replayed_ids=[to_global("DeadLetter", str(each)) for each in sent],
            client_mutation_id=input.client_mutation_id,
        )


def _number(text: str) -> int:
    named, id_ = from_global(text)
    if named != "DeadLetter" or not id_.isdecimal() or len(id_) > len(str(2**62)):
        raise Refused("This is not the id of a DeadLetter.")
    return int(id_)


def _dead_letter(letter: stored.DeadLetter) -> DeadLetter:
    return DeadLetter(
        letter=letter,
        id=to_global("DeadLetter", str(letter.id)),
        reason=letter.reason,
        topic=letter.topic,
        partition=letter.partition,
        offset=str(letter.offset),
        at=letter.at,
        fixed_at=letter.fixed_at,
    )
