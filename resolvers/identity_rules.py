"""How a workspace tells who is who: kinds and their order, limits, ids of other systems, blocked values."""

from typing import Annotated, Any

import msgspec
import strawberry

from domain.alias import Alias, AliasKind
from domain.errors import Refused
from domain.identity import IdentityRules
from domain.key import Scope
from privacy.pseudonym import external_aliases
from resolvers.context import Info
from resolvers.fields import field, mutation
from resolvers.permissions import needs
from resolvers.problems import InvalidInput
from stores.segments import raise_version
from stores.workspaces import read_settings, save_settings


@strawberry.type
class IdentityLimit:
    """How many identifiers of a kind one person may have; 0: the kind is not used."""

    kind: AliasKind
    most: int


@strawberry.type
class IdentityRuleSet:
    """How this workspace tells who is who."""

    rules: strawberry.Private[IdentityRules]

    @field()
    def priority(self) -> list[AliasKind]:
        """Kinds of identifiers, the strongest first."""
        return sorted(self.rules.ranks, key=lambda kind: self.rules.ranks[kind])

    @field()
    def limits(self) -> list[IdentityLimit]:
        """How many of each kind one person may have."""
        return [IdentityLimit(kind=kind, most=most) for kind, most in self.rules.most.items()]

    @field()
    def subjects(self) -> int:
        """How many times people may be merged into one."""
        return self.rules.subjects

    @field()
    def external_ids(self) -> list[str]:
        """Types of `context.externalIds` that name a person."""
        return list(self.rules.external_ids)

    @field()
    def blocked(self) -> int:
        """How many identifiers of its own the workspace has blocked."""
        return len(self.rules.blocked)

    @field()
    def matching(self) -> bool:
        """Whether people are compared by name, birth date and postcode."""
        return self.rules.matching

    @field()
    def review(self) -> float:
        """Likeness from which two people are put up for review."""
        return self.rules.review

    @field()
    def merge(self) -> float:
        """Likeness from which they are merged without one."""
        return self.rules.merge


@strawberry.input
class IdentityLimitInput:
    """How many identifiers of a kind one person may have; 0: the kind is not used."""

    kind: AliasKind
    most: int


@strawberry.input
class BlockedIdentifierInput:
    """An identifier that names nobody. `type` is that of an external id."""

    kind: AliasKind
    value: str
    type: str | None = None


@strawberry.input
class SaveIdentityRulesInput:
    """What to change. What is left out stays; a list replaces the one there is, but `block` adds."""

    priority: list[AliasKind] | None = None
    limits: list[IdentityLimitInput] | None = None
    subjects: int | None = None
    external_ids: list[str] | None = None
    block: list[BlockedIdentifierInput] | None = strawberry.field(
        default=None, description="Kept as blind indexes: nobody can read them back."
    )
    matching: bool | None = None
    review: float | None = None
    merge: float | None = None
    client_mutation_id: str | None = None


@strawberry.type
class IdentityRulesPayload:
    """The rules as they are now; they decide on what comes within five seconds, and change nothing that was decided."""

    rules: IdentityRuleSet
    client_mutation_id: str | None


SaveIdentityRulesResult = Annotated[IdentityRulesPayload | InvalidInput, strawberry.union("SaveIdentityRulesResult")]


@strawberry.type
class IdentityRuleQueries:
    """What can be asked about the rules."""

    @field(needs(Scope.PROFILES_READ))
    async def identity_rules(self, info: Info) -> IdentityRuleSet:
        """How this workspace tells who is who."""
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection:
            settings = await read_settings(connection, workspace)
        return IdentityRuleSet(rules=settings.identity)


@strawberry.type
class IdentityRuleMutations:
    """What can be changed about the rules."""

    @mutation(needs(Scope.PRIVACY_ADMIN))
    async def save_identity_rules(
        self,
        info: Info,
        input: SaveIdentityRulesInput,  # noqa: A002 - Relay's name
    ) -> SaveIdentityRulesResult:
        """Change how this workspace tells who is who."""
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection, connection.transaction():
            current = (await read_settings(connection, workspace, to_change=True)).identity
            try:
                document = {**msgspec.to_builtins(current), **_changes(info, input, current)}
                rules = msgspec.convert(document, IdentityRules)
            except (Refused, msgspec.ValidationError) as error:
                return InvalidInput(code="invalid_request", message=str(error), path=["input"])
            await save_settings(connection, workspace, "identity", msgspec.to_builtins(rules))
            await raise_version(connection, workspace)
        return IdentityRulesPayload(rules=IdentityRuleSet(rules=rules), client_mutation_id=input.client_mutation_id)


def _changes(info: Info, given: SaveIdentityRulesInput, current: IdentityRules) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "priority": given.priority,
        "limits": None if given.limits is None else {each.kind: each.most for each in given.limits},
        "subjects": given.subjects,
        "external_ids": given.external_ids,
        "matching": given.matching,
        "review": given.review,
        "merge": given.merge,
    }
    if given.block is not None:
        blocked = [alias for each in given.block for alias in _indexes(info, each)]
        changes["blocked"] = msgspec.to_builtins(tuple(dict.fromkeys([*current.blocked, *blocked])))
    return {name: value for name, value in changes.items() if value is not None}


def _indexes(info: Info, blocked: BlockedIdentifierInput) -> tuple[Alias, ...]:
    caller = info.context.caller
    if blocked.kind is AliasKind.EXTERNAL_ID:
        found = external_aliases(blocked.type or "", blocked.value, caller.keys)
    else:
        found = caller.aliases_for(blocked.kind, blocked.value)
    if not found:
        raise Refused("A blocked value is not an identifier of its kind, or is blocked everywhere.")
    return found
