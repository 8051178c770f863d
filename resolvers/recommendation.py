"""Items, and lists of them with the reason why each stands there."""

from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import strawberry
from strawberry.scalars import JSON

from domain import item as shop
from domain.errors import Refused
from learning import lists
from learning.catalogue import Filter, attribute_texts
from learning.lists import Ask, Context, Question, ReasonKind, Strategy
from learning.shelf import Shelf
from resolvers.connection import page_size
from resolvers.context import Info
from resolvers.node import Node, to_global

strawberry.enum(Strategy, name="RecommendationStrategy", description="What made a list.")
strawberry.enum(ReasonKind, name="RecommendationReasonKind", description="Why an item stands in a list.")

_MOST_NAMED = 100
_TEXTS = {
    ReasonKind.VIEWED: "Because you viewed {}",
    ReasonKind.ADDED: "Because you put {} into your cart",
    ReasonKind.BOUGHT: "Because you bought {}",
    ReasonKind.TASTE: "People with your taste want it",
    ReasonKind.SIMILAR: "Similar to {}",
    ReasonKind.TOGETHER: "Bought together with {}",
    ReasonKind.TRENDING: "Trending",
    ReasonKind.SEEN: "You know it already",
    ReasonKind.AGAIN: "You bought it before",
}


@strawberry.enum(description="Lists that are made for one person.")
class PersonalStrategy(Enum):
    """The strategies that a profile can be asked for."""

    FOR_YOU = "for_you"
    BUY_AGAIN = "buy_again"
    TRENDING = "trending"


@strawberry.type
class Item(Node):
    """One thing that the shop offers. What only events have named so far has no more than its id."""

    product_id: str
    name: str | None
    category: str | None
    price: float | None
    image_url: str | None
    available: bool
    attributes: JSON


@strawberry.type
class RecommendationReason:
    """Why an item stands in a list."""

    kind: ReasonKind
    item: Item | None = strawberry.field(description="What it goes back to.")
    text: str = strawberry.field(description="In words, in English.")


@strawberry.type
class Recommendation:
    """One item in its place."""

    position: int = strawberry.field(description="From 1.")
    item: Item
    reason: RecommendationReason
    propensity: float = strawberry.field(description="How likely this item was to stand in this place.")


@strawberry.type
class RecommendationConnection:
    """One list, as it was served. Send `list_id` along when it is shown and when something in it is clicked."""

    list_id: strawberry.ID
    strategy: Strategy = strawberry.field(description="What made the list in the end.")
    personalized: bool = strawberry.field(description="True only if the person had a part in it.")
    model_version: int | None
    nodes: list[Recommendation]


@strawberry.input
class RecommendationFilter:
    """What a list may hold. Items that are not available never stand in one."""

    categories: list[str] | None = None
    exclude: list[str] | None = strawberry.field(default=None, description="Product ids to leave out.")
    price_from: float | None = None
    price_to: float | None = None
    attributes: JSON | None = strawberry.field(default=None, description="An object: each must have this value.")


@strawberry.input
class RecommendationContext:
    """Where the list will be shown: short names of letters, digits and `_ - . : /`, kept with the list."""

    page_type: str | None = None
    device: str | None = None
    placement: str | None = None
    segment: str | None = None


def item_of(item: shop.Item) -> Item:
    """Show an item."""
    return Item(
        id=to_global("Item", item.id),
        product_id=item.id,
        name=item.name,
        category=item.category,
        price=item.price,
        image_url=item.image_url,
        available=item.available,
        attributes=JSON(item.attributes),
    )


def question_of(
    strategy: Strategy, first: int, filter_: RecommendationFilter | None, context: RecommendationContext | None
) -> Question:
    """Read what is asked for. Raises `Refused`."""
    return Question(strategy, page_size(first), _filter(filter_), read_context(vars(context) if context else {}))


def read_context(given: dict[str, Any]) -> Context:
    """Read a context. Raises `Refused` for what could hold a person's words."""
    try:
        return msgspec.convert({name: value for name, value in given.items() if value is not None}, Context)
    except msgspec.ValidationError as error:
        raise Refused(f"A context holds short names only: {error}") from None


async def recommendations_for(info: Info, profile: UUID | None, question: Question) -> RecommendationConnection:
    """Answer for one person, together with all others that the operation asks for."""
    served = await info.context.loaders.recommendations.load(Ask(profile, question))
    return await shown(info, served)


async def shown(info: Info, served: lists.Served) -> RecommendationConnection:
    """Show a list with what its items are now."""
    shelf = await info.context.services.recommender.shelf(info.context.caller.principal.workspace)
    return RecommendationConnection(
        list_id=strawberry.ID(str(served.id)),
        strategy=served.strategy,
        personalized=served.personalized,
        model_version=served.model_version,
        nodes=[_recommendation(shelf, position, each) for position, each in enumerate(served.items, 1)],
    )


def reason_text(shelf: Shelf, reason: lists.Reason) -> str:
    """Say a reason in words."""
    named = shelf.catalogue.item(reason.item).name or reason.item if reason.item else ""
    return _TEXTS[reason.kind].format(named)


def _recommendation(shelf: Shelf, position: int, each: lists.Recommended) -> Recommendation:
    source = each.reason.item
    reason = RecommendationReason(
        kind=each.reason.kind,
        item=item_of(shelf.catalogue.item(source)) if source else None,
        text=reason_text(shelf, each.reason),
    )
    item = item_of(shelf.catalogue.item(each.product_id))
    return Recommendation(position=position, item=item, reason=reason, propensity=each.propensity)


def _filter(given: RecommendationFilter | None) -> Filter:
    if given is None:
        return Filter()
    attributes: Any = given.attributes or {}
    if not isinstance(attributes, dict) or len(attributes) > _MOST_NAMED:
        raise Refused("`attributes` is an object of at most 100 names.")
    if len(given.categories or ()) > _MOST_NAMED or len(given.exclude or ()) > _MOST_NAMED:
        raise Refused(f"At most {_MOST_NAMED} categories or items at once.")
    return Filter(
        categories=frozenset(given.categories or ()),
        exclude=frozenset(given.exclude or ()),
        price_from=given.price_from,
        price_to=given.price_to,
        attributes=attribute_texts(attributes),
    )
