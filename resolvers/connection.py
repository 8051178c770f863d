"""Lists that are read page by page, as Relay defines them, by key and never by offset."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from domain.errors import Refused
from resolvers.cursor import Cursors
from resolvers.fields import field
from resolvers.loaders import COUNTED

Item = TypeVar("Item")
Row = TypeVar("Row")

MOST = 100
First = Annotated[int, strawberry.argument(description=f"How many, 1 to {MOST}.")]
After = Annotated[str | None, strawberry.argument(description="The cursor to continue after.")]


@strawberry.type
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class Edge(Generic[Item]):
    """An item with its place in the list."""

    cursor: str
    node: Item


@strawberry.type
class Connection(Generic[Item]):
    """One page of a list."""

    edges: list[Edge[Item]]
    page_info: PageInfo
    count: strawberry.Private[Callable[[], Awaitable[int | None]]]

    @field()
    async def total_count(self) -> int | None:
        """How many the whole list has; null beyond 10,000. Of people: as `Segment.size` tells it."""
        total = await self.count()
        return total if total is not None and total <= COUNTED else None

    @field()
    def nodes(self) -> list[Item]:
        """The items without their cursors."""
        return [edge.node for edge in self.edges]


def page_size(first: int) -> int:
    """Check how many items were asked for. Raises `Refused` outside of 1 to `MOST`."""
    if not 1 <= first <= MOST:
        raise Refused(f"`first` must be between 1 and {MOST}.")
    return first


def connect(
    rows: Sequence[Row],
    first: int,
    after: str | None,
    cursors: Cursors,
    sort: str,
    *,
    place: Callable[[Row], Any],
    item: Callable[[Row], Item],
    count: Callable[[], Awaitable[int | None]],
) -> Connection[Item]:
    """Make the page of `rows`, of which one more than `first` was read to see whether the list goes on."""
    edges = [Edge(cursor=cursors.sign(sort, place(row)), node=item(row)) for row in rows[:first]]
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=len(rows) > first,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        count=count,
    )
