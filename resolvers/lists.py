"""Lists that need no person, and what became of all lists."""

from datetime import datetime, timedelta
from uuid import UUID

import strawberry

from domain.key import Scope
from learning.lists import Strategy
from learning.weights import BOUGHT
from resolvers.connection import First
from resolvers.context import Info
from resolvers.fields import field
from resolvers.permissions import needs
from resolvers.profile import ProfileBy, wanted
from resolvers.recommendation import (
    PersonalStrategy,
    RecommendationConnection,
    RecommendationContext,
    RecommendationFilter,
    question_of,
    recommendations_for,
    shown,
)
from stores import served

_MONTH = timedelta(days=30)


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


@strawberry.type
class RecommendationQueries:
    """Lists that need no person, and how all lists fare."""

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

    @field(needs(Scope.RECOMMENDATIONS_READ))
    async def recommendation_performance(
        self, info: Info, since: datetime | None = None
    ) -> list[RecommendationPerformance]:
        """What became of the lists served since (30 days ago if left out), by strategy and model version."""
        context = info.context
        async with context.services.database.workspace(context.caller.principal.workspace) as connection:
            rows = await served.performance(connection, since or context.services.clock() - _MONTH, tuple(BOUGHT))
        return [_performance(row) for row in rows]


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
