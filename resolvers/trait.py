"""Traits that a workspace declares, and what they come to for a person, with source and time."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
import strawberry
from strawberry.scalars import JSON

from domain.clock import from_micros
from domain.errors import Refused
from domain.key import Scope
from domain.trait import Name, TraitStatus
from profiles.declared import read_definition
from resolvers.context import Info
from resolvers.fields import field, mutation
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, NotFound, VersionConflict
from resolvers.visible import visible_traits
from stores import traits
from stores.postgres import Connection
from stores.reads.profiles import ProfileRow
from stores.segments import raise_version
from stores.traits import StoredTrait

strawberry.enum(TraitStatus, name="TraitStatus", description="A declaration's life.")


@strawberry.type
class TraitDeclaration:
    """A trait that is worked out of what people do."""

    stored: strawberry.Private[StoredTrait]
    name: str
    version: int
    status: TraitStatus
    definition: JSON | None = strawberry.field(description="Null: it is declared no longer, and being taken away.")
    declared_at: datetime

    @field()
    async def progress(self, info: Info) -> float:
        """Which share of the profiles it has been applied to, 0 to 1."""
        if self.status is TraitStatus.LIVE:
            return 1.0
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection:
            return await traits.share_done(connection, workspace, self.stored.built_through)


@strawberry.type
class TraitStatement:
    """What a trait is, since when, and who said so."""

    name: str
    value: JSON | None
    at: datetime = strawberry.field(description="When the newest event happened that counts for it.")
    message_id: str | None
    version: int | None = strawberry.field(description="Of the declaration; null for one that is stated only.")
    source: str | None = strawberry.field(description="The library that stated it, of a declared choice of sources.")


@strawberry.input
class DeclareTraitInput:
    """A trait to declare, or to declare anew."""

    name: str
    definition: JSON | None = strawberry.field(description="Null: declare it no longer.")
    expected_version: int | None = strawberry.field(
        default=None, description="Only if this is still its version; 0: only if it is new."
    )
    client_mutation_id: str | None = None


@strawberry.type
class DeclareTraitPayload:
    """The declaration; builders apply it to everybody's history."""

    trait: TraitDeclaration
    client_mutation_id: str | None


DeclareTraitResult = Annotated[
    DeclareTraitPayload | InvalidInput | NotFound | VersionConflict, strawberry.union("DeclareTraitResult")
]


@strawberry.type
class TraitQueries:
    """What can be asked about declared traits."""

    @field(needs(Scope.SEGMENTS_READ))
    async def trait_declarations(self, info: Info) -> list[TraitDeclaration]:
        """The traits that are declared, by name; while one is applied, its version before comes first."""
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection:
            found = await traits.read_traits(connection, workspace)
        return [
            _declaration(each) for each in found if each.definition is not None or each.status is not TraitStatus.LIVE
        ]


@strawberry.type
class TraitMutations:
    """What can be changed about declared traits."""

    @mutation(needs(Scope.SEGMENTS_WRITE))
    async def declare_trait(self, info: Info, input: DeclareTraitInput) -> DeclareTraitResult:  # noqa: A002 - Relay's name
        """Declare a trait, in a new version where there is one. Declaring the same again changes nothing."""
        try:
            name = msgspec.convert(input.name, Name)
        except msgspec.ValidationError:
            problem = "A name has 1 to 64 letters, digits and _, and begins with a letter."
            return InvalidInput(code="invalid_request", message=problem, path=["input", "name"])
        if input.definition is not None:
            try:
                read_definition(input.definition)
            except Refused as error:
                return InvalidInput(code="invalid_definition", message=str(error), path=["input", "definition"])
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection, connection.transaction():
            saved = await _declare(info, connection, name, input)
        if not isinstance(saved, StoredTrait):
            return saved
        return DeclareTraitPayload(trait=_declaration(saved), client_mutation_id=input.client_mutation_id)


@strawberry.type
class ProfileTraits:
    """What a profile tells of its traits beside their values."""

    row: strawberry.Private[ProfileRow]

    @field(lasting=True)
    async def trait_statements(self, info: Info, names: list[str] | None = None) -> list[TraitStatement]:
        """Traits with the time and source of each; all or those named."""
        (shown,) = await visible_traits(info, [self.row])
        return [
            _statement(name, value, self.row.stated.get(name, {}))
            for name, value in sorted(shown.items())
            if names is None or name in names
        ]


async def _declare(
    info: Info, connection: Connection, name: str, asked: DeclareTraitInput
) -> StoredTrait | NotFound | VersionConflict:
    principal, now = info.context.caller.principal, info.context.services.clock()
    await traits.hold_traits(connection, principal.workspace)
    found = await traits.read_traits(connection, principal.workspace)
    newest = next((each for each in reversed(found) if each.name == name), None)
    current = newest.version if newest else 0
    if asked.expected_version is not None and asked.expected_version != current:
        return VersionConflict(
            code="conflict",
            message=f"The trait is at version {current}.",
            path=["input", "expectedVersion"],
            current_version=current,
        )
    if newest is None and asked.definition is None:
        return NotFound(code="not_found", message="There is no such trait.", path=["input", "name"])
    definition: Any = asked.definition
    if newest is not None and newest.definition == definition:
        return newest
    saved = await traits.add_trait(connection, principal.workspace, name, definition, actor=principal.actor, at=now)
    await raise_version(connection, principal.workspace)
    return saved


def _declaration(stored: StoredTrait) -> TraitDeclaration:
    return TraitDeclaration(
        stored=stored,
        name=stored.name,
        version=stored.version,
        status=stored.status,
        definition=None if stored.definition is None else JSON(stored.definition),
        declared_at=stored.created_at,
    )


def _statement(name: str, value: Any, stated: dict[str, Any]) -> TraitStatement:
    return TraitStatement(
        name=name,
        value=None if value is None else JSON(value),
        at=from_micros(stated.get("t", 0)),
        message_id=stated.get("m"),
        version=stated.get("d"),
        source=stated.get("o"),
    )
