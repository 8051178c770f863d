"""A crowd that follows the same changes, told in two ways: by shared plans, and by Strawberry's own execution."""

import asyncio
import sys
from collections.abc import AsyncIterator, Hashable
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import uuid4

import msgspec
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.scalars import JSON

from bench.memory import by_plans
from gateway.serve import collect_garbage_seldom
from resolvers.schema import Schema

WATCH = """subscription {
    changes { cursor kind at profileId profileVersion segmentKey segmentVersion cause segment { key name } } }"""


@strawberry.enum
class Kind(Enum):
    ENTERED = "entered"
    EXITED = "exited"


@strawberry.type
class Segment:
    key: str
    name: str


@strawberry.type
class Change:
    moment: strawberry.Private[Hashable]
    cursor: str
    kind: Kind
    at: datetime
    profile_id: strawberry.ID
    profile_version: int
    segment_key: str
    segment_version: int
    cause: JSON

    @strawberry.field
    async def segment(self) -> Segment:
        return Segment(key=self.segment_key, name="keen on coats")


class Crowd:
    """A queue for each who follows."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[Change]] = set()

    def tell(self, number: int) -> None:
        """Put one change in every queue."""
        change = Change(
            moment=number,
            cursor=f"cursor-{number}",
            kind=Kind.ENTERED,
            at=datetime(2026, 3, 1, tzinfo=UTC),
            profile_id=strawberry.ID(str(uuid4())),
            profile_version=number,
            segment_key="keen",
            segment_version=1,
            cause=JSON({"event": f"m-{number}"}),
        )
        for queue in self.queues:
            queue.put_nowait(change)

    async def follow(self) -> AsyncIterator[Change]:
        """Yield changes as they come."""
        queue: asyncio.Queue[Change] = asyncio.Queue()
        self.queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self.queues.discard(queue)


def main(port: int) -> None:
    """Serve both until ended."""
    collect_garbage_seldom()
    crowds = {"plans": Crowd(), "strawberry": Crowd()}

    @strawberry.type
    class Query:
        nothing: bool = False

    def root(crowd: Crowd) -> Any:
        @strawberry.type
        class Subscription:
            @strawberry.subscription
            async def changes(self) -> AsyncIterator[Change]:
                async for change in crowd.follow():
                    yield change

        return Subscription

    async def tell(request: Request) -> Response:
        asked = msgspec.json.decode(await request.body())
        crowd = crowds[request.path_params["name"]]
        for number in asked:
            crowd.tell(number)
        return Response(str(len(crowd.queues)))

    ours = by_plans(Schema(query=Query, subscription=root(crowds["plans"])))
    theirs: GraphQL[Any, None] = GraphQL(
        strawberry.Schema(
            query=Query, subscription=root(crowds["strawberry"]), extensions=[ParserCache, ValidationCache]
        )
    )
    routes = [
        WebSocketRoute("/plans", ours),
        WebSocketRoute("/strawberry", theirs),
        Route("/tell/{name}", tell, methods=["POST"]),
    ]
    uvicorn.run(
        Starlette(routes=routes), host="127.0.0.1", port=port, http="httptools", loop="uvloop", log_level="error"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
