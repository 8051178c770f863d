"""What makes lists: the trained versions, the one that is live, and the rules of the shop."""

from datetime import datetime
from typing import Annotated

import msgspec
import strawberry
from strawberry.scalars import JSON

from domain.errors import Refused
from domain.key import Scope
from learning.policy import Policy, read_policy
from resolvers.connection import First, page_size
from resolvers.context import Info
from resolvers.fields import field, mutation
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, NotFound
from stores import models, recommender
from stores.models import ModelRow


@strawberry.type
class RecommenderModel:
    """One trained version, published or refused."""

    version: int
    status: str
    live: bool
    trained_through: datetime
    created_at: datetime
    rolled_back_at: datetime | None = strawberry.field(
        description="Since when it is no more what a rollback would go to."
    )
    report: JSON = strawberry.field(description="How it was made and judged, with popularity beside it.")


@strawberry.input
class SavePolicyInput:
    """The rules for lists, whole: see docs/recommendations.md."""

    policy: JSON
    client_mutation_id: str | None = None


@strawberry.input
class RollBackModelInput:
    """Which version shall be live; the one before the live one if left out, but for those rolled back before."""

    version: int | None = None
    client_mutation_id: str | None = None


@strawberry.type
class PolicyPayload:
    """The rules as they are now."""

    policy: JSON
    client_mutation_id: str | None


@strawberry.type
class ModelPayload:
    """The model that is live now."""

    model: RecommenderModel
    client_mutation_id: str | None


SavePolicyResult = Annotated[PolicyPayload | InvalidInput, strawberry.union("SavePolicyResult")]
RollBackModelResult = Annotated[ModelPayload | NotFound, strawberry.union("RollBackModelResult")]


@strawberry.type
class RecommenderQueries:
    """The trained versions and the rules."""

    @field(needs(Scope.RECOMMENDATIONS_READ))
    async def recommender_models(self, info: Info, first: First = 10) -> list[RecommenderModel]:
        """The trained versions, the newest first, the refused ones too."""
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection:
            live = await models.live_model(connection, workspace)
            rows = await models.list_models(connection, workspace, page_size(first))
        return [_model(row, live=live is not None and row.id == live.id) for row in rows]

    @field(needs(Scope.RECOMMENDATIONS_READ))
    async def recommendation_policy(self, info: Info) -> JSON:
        """The rules for lists, with what was left out at its default."""
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection:
            return _document(read_policy(await recommender.read_policy(connection, workspace)))


@strawberry.type
class RecommenderMutations:
    """The rules, and the way back."""

    @mutation(needs(Scope.RECOMMENDATIONS_WRITE))
    async def save_recommendation_policy(self, info: Info, input: SavePolicyInput) -> SavePolicyResult:  # noqa: A002 - as above
        """Replace the rules for lists. Lists follow within a second."""
        try:
            policy = read_policy(input.policy)
        except Refused as error:
            return InvalidInput(code=error.code, message=str(error), path=["input", "policy"])
        workspace = info.context.caller.principal.workspace
        document = _document(policy)
        async with info.context.services.database.workspace(workspace) as connection:
            await recommender.save_policy(
                connection, workspace, msgspec.to_builtins(policy), info.context.services.clock()
            )
        return PolicyPayload(policy=document, client_mutation_id=input.client_mutation_id)

    @mutation(needs(Scope.RECOMMENDATIONS_WRITE))
    async def roll_back_model(self, info: Info, input: RollBackModelInput) -> RollBackModelResult:  # noqa: A002 - as above
        """Make an earlier published version live again. Gateways follow within a second, plus what loading takes."""
        workspace, now = info.context.caller.principal.workspace, info.context.services.clock()
        async with info.context.services.database.workspace(workspace) as connection, connection.transaction():
            row = await models.roll_back(connection, workspace, now, input.version)
        if row is None:
            message = "There is no earlier version to go back to."
            if input.version is not None:
                message = f"Version {input.version} is live already, or its arrays are kept no more."
            return NotFound(code="not_found", message=message, path=["input"])
        return ModelPayload(model=_model(row, live=True), client_mutation_id=input.client_mutation_id)


def _model(row: ModelRow, *, live: bool) -> RecommenderModel:
    return RecommenderModel(
        version=row.version,
        status=row.status,
        live=live,
        trained_through=row.trained_through,
        created_at=row.created_at,
        rolled_back_at=row.rolled_back_at,
        report=JSON(row.report),
    )


def _document(policy: Policy) -> JSON:
    document: JSON = msgspec.to_builtins(policy)
    return document
