"""What can be asked and changed about recommendations at the root of the schema."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
import strawberry
from strawberry.scalars import JSON

from domain import item as shop
from domain.errors import Refused
from domain.key import Scope
from learning.lists import Strategy
from learning.policy import Policy, read_policy
from learning.weights import BOUGHT
from resolvers.connection import After, Connection, First, connect, page_size
from resolvers.context import Info
from resolvers.fields import field, mutation
from resolvers.loaders import COUNTED
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, NotFound
from resolvers.profile import ProfileBy, wanted
from resolvers.recommendation import (
    Item,
    PersonalStrategy,
    RecommendationConnection,
    RecommendationContext,
    RecommendationFilter,
    item_of,
    question_of,
    recommendations_for,
    shown,
)
from stores import models, recommender, served
from stores.items import count_items, page_of_items, remove_items, save_items
from stores.models import ModelRow

_BY_ID = "items by id"
_MOST_AT_ONCE = 1_000
_FIELDS = {"id": "productId", "image_url": "imageUrl"}
_MONTH = timedelta(days=30)


@strawberry.type
class RecommenderModel:
    """One trained version, published or refused."""

    version: int
    status: str
    live: bool
    trained_through: datetime
    created_at: datetime
    report: JSON = strawberry.field(description="How it was made and judged, with popularity beside it.")


@strawberry.type
class RecommendationPerformance:
    """What became of the lists of one strategy and model version."""

    strategy: Strategy
    model_version: int | None
    lists: int
    impressions: int = strawberry.field(description="Lists that were seen, by `recommendation_shown`.")
    clicks: int = strawberry.field(description="Of those, lists with at least one `recommendation_clicked`.")
    purchases: int = strawberry.field(description="Of those, lists of which a clicked item was bought within 7 days.")
    click_through: float | None = strawberry.field(description="Clicks per impression.")
    conversion: float | None = strawberry.field(description="Purchases per impression.")


@strawberry.input
class ItemInput:
    """An item as it shall be, whole."""

    product_id: str
    name: str | None = None
    category: str | None = None
    price: float | None = None
    image_url: str | None = None
    available: bool = True
    attributes: JSON | None = None


@strawberry.input
class SaveItemsInput:
    """Up to 1,000 items to create or replace."""

    items: list[ItemInput]
    client_mutation_id: str | None = None


@strawberry.input
class RemoveItemsInput:
    """Items to take out of the catalogue. Events will not bring them back."""

    product_ids: list[str]
    client_mutation_id: str | None = None


@strawberry.input
class SavePolicyInput:
    """The rules for lists, whole: see docs/recommendations.md."""

    policy: JSON
    client_mutation_id: str | None = None


@strawberry.input
class RollBackModelInput:
    """Nothing to say but that it shall be done."""

    client_mutation_id: str | None = None


@strawberry.type
class ItemsPayload:
    """How many items were saved or removed."""

    count: int
    client_mutation_id: str | None


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


SaveItemsResult = Annotated[ItemsPayload | InvalidInput, strawberry.union("SaveItemsResult")]
SavePolicyResult = Annotated[PolicyPayload | InvalidInput, strawberry.union("SavePolicyResult")]
RollBackModelResult = Annotated[ModelPayload | NotFound, strawberry.union("RollBackModelResult")]


@strawberry.type
class RecommendationQueries:
    """Lists that need no person, the catalogue, and how it all fares."""

    @field(needs(Scope.RECOMMENDATIONS_READ, end_users=True))
    async def recommendations(
        self,
        info: Info,
        by: ProfileBy | None = None,
        first: First = 10,
        strategy: PersonalStrategy = PersonalStrategy.FOR_YOU,
        filter: RecommendationFilter | None = None,  # noqa: A002 - what every such argument is called
        context: RecommendationContext | None = None,
    ) -> RecommendationConnection:
        """What to show to a person. Whoever is unknown, or has not agreed, gets what is trending, and it says so.

        End users leave `by` out and mean themselves.
        """
        whom, question = wanted(by, info.context.caller), question_of(Strategy(strategy.value), first, filter, context)
        if isinstance(whom, UUID):
            return await recommendations_for(info, whom, question)
        workspace = info.context.caller.principal.workspace
        return await shown(info, await info.context.services.recommender.for_named(workspace, whom, question))

    @field(needs(Scope.RECOMMENDATIONS_READ, end_users=True))
    async def trending(
        self,
        info: Info,
        first: First = 10,
        filter: RecommendationFilter | None = None,  # noqa: A002 - what every such argument is called
        context: RecommendationContext | None = None,
    ) -> RecommendationConnection:
        """What everyone wants lately."""
        return await recommendations_for(info, None, question_of(Strategy.TRENDING, first, filter, context))

    @field(needs(Scope.RECOMMENDATIONS_READ, end_users=True))
    async def similar_items(
        self,
        info: Info,
        product_id: str,
        first: First = 10,
        filter: RecommendationFilter | None = None,  # noqa: A002 - as above
        context: RecommendationContext | None = None,
    ) -> RecommendationConnection:
        """What is wanted by those who want an item; empty until a model knows it."""
        return await _around(info, product_id, Strategy.SIMILAR, first, filter, context)

    @field(needs(Scope.RECOMMENDATIONS_READ, end_users=True))
    async def bought_together(
        self,
        info: Info,
        product_id: str,
        first: First = 10,
        filter: RecommendationFilter | None = None,  # noqa: A002 - as above
        context: RecommendationContext | None = None,
    ) -> RecommendationConnection:
        """What is bought in one order with an item, more often than by chance; empty until there are enough orders."""
        return await _around(info, product_id, Strategy.TOGETHER, first, filter, context)

    @field(needs(Scope.RECOMMENDATIONS_READ, end_users=True))
    async def item(self, info: Info, product_id: str) -> Item | None:
        """Find an item by the shop's own id."""
        found = await info.context.loaders.item.load(product_id)
        return item_of(found) if found else None

    @field(needs(Scope.RECOMMENDATIONS_READ))
    async def items(self, info: Info, first: First = 20, after: After = None) -> Connection[Item]:
        """The catalogue, in the order of the shop's ids."""
        caller, database = info.context.caller, info.context.services.database
        start = caller.cursors.read(_BY_ID, after, str) if after else None
        async with database.workspace(caller.principal.workspace) as connection:
            rows = await page_of_items(connection, page_size(first) + 1, start)

        async def count() -> int | None:
            async with database.workspace(caller.principal.workspace) as connection:
                return await count_items(connection, COUNTED + 1)

        return connect(rows, first, after, caller.cursors, _BY_ID, place=lambda row: row.id, item=item_of, count=count)

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

    @field(needs(Scope.RECOMMENDATIONS_READ))
    async def recommendation_performance(
        self, info: Info, since: datetime | None = None
    ) -> list[RecommendationPerformance]:
        """What became of the lists served since (30 days ago if left out), by strategy and model version."""
        context = info.context
        async with context.services.database.workspace(context.caller.principal.workspace) as connection:
            rows = await served.performance(connection, since or context.services.clock() - _MONTH, tuple(BOUGHT))
        return [_performance(row) for row in rows]


@strawberry.type
class RecommendationMutations:
    """The catalogue, the rules, and the way back."""

    @mutation(needs(Scope.RECOMMENDATIONS_WRITE))
    async def save_items(self, info: Info, input: SaveItemsInput) -> SaveItemsResult:  # noqa: A002 - Relay's name
        """Create or replace items. What is stated here, no event overwrites."""
        if problem := _problem_of(input.items):
            return problem
        workspace, items = info.context.caller.principal.workspace, [_read(each) for each in input.items]
        async with info.context.services.database.workspace(workspace) as connection:
            await save_items(connection, workspace, items, "operator", info.context.services.clock())
        return ItemsPayload(count=len(items), client_mutation_id=input.client_mutation_id)

    @mutation(needs(Scope.RECOMMENDATIONS_WRITE))
    async def remove_items(self, info: Info, input: RemoveItemsInput) -> SaveItemsResult:  # noqa: A002 - as above
        """Take items out of the catalogue and out of every list."""
        if len(input.product_ids) > _MOST_AT_ONCE:
            return _too_many(["input", "productIds"])
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection:
            gone = await remove_items(connection, workspace, input.product_ids, info.context.services.clock())
        return ItemsPayload(count=len(gone), client_mutation_id=input.client_mutation_id)

    @mutation(needs(Scope.RECOMMENDATIONS_WRITE))
    async def save_recommendation_policy(self, info: Info, input: SavePolicyInput) -> SavePolicyResult:  # noqa: A002 - as above
        """Replace the rules for lists. Lists follow within two seconds."""
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
        """Make the published version before the live one live again. Gateways follow within two seconds."""
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection, connection.transaction():
            row = await models.roll_back(connection, workspace, info.context.services.clock())
        if row is None:
            message = "There is no earlier version to go back to."
            return NotFound(code="not_found", message=message, path=["input"])
        return ModelPayload(model=_model(row, live=True), client_mutation_id=input.client_mutation_id)


async def _around(
    info: Info,
    product_id: str,
    strategy: Strategy,
    first: int,
    filter_: RecommendationFilter | None,
    context: RecommendationContext | None,
) -> RecommendationConnection:
    question = question_of(strategy, first, filter_, context)
    workspace = info.context.caller.principal.workspace
    return await shown(info, await info.context.services.recommender.around(workspace, product_id, question))


def _model(row: ModelRow, *, live: bool) -> RecommenderModel:
    return RecommenderModel(
        version=row.version,
        status=row.status,
        live=live,
        trained_through=row.trained_through,
        created_at=row.created_at,
        report=JSON(row.report),
    )


def _performance(row: served.Performance) -> RecommendationPerformance:
    return RecommendationPerformance(
        strategy=Strategy(row.strategy),
        model_version=row.model_version,
        lists=row.lists,
        impressions=row.impressions,
        clicks=row.clicks,
        purchases=row.purchases,
        click_through=row.clicks / row.impressions if row.impressions else None,
        conversion=row.purchases / row.impressions if row.impressions else None,
    )


def _document(policy: Policy) -> JSON:
    document: JSON = msgspec.to_builtins(policy)
    return document


def _problem_of(items: list[ItemInput]) -> InvalidInput | None:
    if len(items) > _MOST_AT_ONCE:
        return _too_many(["input", "items"])
    for place, item in enumerate(items):
        if item.attributes is not None and not isinstance(item.attributes, dict):
            path = ["input", "items", str(place), "attributes"]
            return InvalidInput(code="invalid_request", message="Attributes are an object.", path=path)
        if fault := shop.fault_of(_read(item)):
            field_, message = fault
            path = ["input", "items", str(place), _FIELDS.get(field_, field_)]
            return InvalidInput(code="invalid_request", message=message, path=path)
    return None


def _too_many(path: list[str]) -> InvalidInput:
    return InvalidInput(code="invalid_request", message=f"At most {_MOST_AT_ONCE:,} at once.", path=path)


def _read(given: ItemInput) -> shop.Item:
    attributes: Any = given.attributes or {}
    return shop.Item(
        id=given.product_id,
        name=given.name,
        category=given.category,
        price=given.price,
        image_url=given.image_url,
        available=given.available,
        attributes=attributes,
    )
