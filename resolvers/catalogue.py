"""What the shop offers: asked for, stated and taken out."""

from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from domain import item as shop
from domain.key import Scope
from resolvers.connection import After, Connection, First, connect, page_size
from resolvers.context import Info
from resolvers.fields import field, mutation
from resolvers.loaders import COUNTED
from resolvers.permissions import needs
from resolvers.problems import InvalidInput
from resolvers.recommendation import Item, item_of
from stores.items import count_items, page_of_items, remove_items, save_items

_BY_ID = "items by id"
_MOST_AT_ONCE = 1_000
_FIELDS = {"id": "productId", "image_url": "imageUrl"}


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


@strawberry.type
class ItemsPayload:
    """How many items were saved or removed."""

    count: int
    client_mutation_id: str | None


SaveItemsResult = Annotated[ItemsPayload | InvalidInput, strawberry.union("SaveItemsResult")]


@strawberry.type
class CatalogueQueries:
    """The catalogue."""

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


@strawberry.type
class CatalogueMutations:
    """Changes of the catalogue by an operator."""

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
