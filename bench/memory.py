"""The same people, answered in memory four ways: by plans, by Strawberry, by Strawberry's DataLoader, and by hand."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

import msgspec
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache

from domain.clock import utc_now
from domain.key import Principal
from gateway.graphql.app import GraphQLApp
from gateway.graphql.callers import Callers
from gateway.serve import collect_garbage_seldom
from resolvers.context import Services
from resolvers.documents import Documents
from resolvers.fields import field
from resolvers.schema import Schema

PEOPLE = 100
SEGMENTS = 5
ONE = '{ profile(id: "p0") { id name visits score segments { id name } } }'
LIST = "{ profiles { id name visits score segments { id name } } }"


@strawberry.type
class Segment:
    id: strawberry.ID
    name: str


async def _segments(people: Sequence["Profile"], _info: Any) -> list[list[Segment]]:
    return [person.held for person in people]


@strawberry.type
class Profile:
    id: strawberry.ID
    name: str
    visits: int
    score: float
    held: strawberry.Private[list[Segment]]

    @field(many=_segments)
    async def segments(self, info: strawberry.Info) -> list[Segment]:
        [found] = await _segments([self], info)
        return found


@strawberry.type
class Query:
    @field()
    def profile(self, id: strawberry.ID) -> Profile | None:  # noqa: A002 - Relay's name
        return _BY_ID.get(id)

    @field()
    def profiles(self) -> list[Profile]:
        return _EVERYONE


@strawberry.type(name="Profile")
class Plain:
    id: strawberry.ID
    name: str
    visits: int
    score: float
    held: strawberry.Private[list[Segment]]

    @strawberry.field
    def segments(self) -> list[Segment]:
        return self.held


@strawberry.type(name="Query")
class PlainQuery:
    @strawberry.field
    def profile(self, id: strawberry.ID) -> Plain | None:  # noqa: A002 - Relay's name
        return cast("Plain | None", _BY_ID.get(id))

    @strawberry.field
    def profiles(self) -> list[Plain]:
        return cast("list[Plain]", _EVERYONE)


@strawberry.type(name="Profile")
class Loaded:
    id: strawberry.ID
    name: str
    visits: int
    score: float

    @strawberry.field
    async def segments(self, info: strawberry.Info) -> list[Segment]:
        loader: DataLoader[str, list[Segment]] = info.context["segments"]
        return await loader.load(self.id)


@strawberry.type(name="Query")
class LoadedQuery:
    @strawberry.field
    def profile(self, id: strawberry.ID) -> Loaded | None:  # noqa: A002 - Relay's name
        return cast("Loaded | None", _BY_ID.get(id))

    @strawberry.field
    def profiles(self) -> list[Loaded]:
        return cast("list[Loaded]", _EVERYONE)


class _WithLoader(GraphQL[Any, None]):
    async def get_context(self, request: Any, response: Any) -> Any:
        async def load(keys: list[str]) -> list[list[Segment]]:
            return [_BY_ID[key].held for key in keys]

        return {"request": request, "response": response, "segments": DataLoader(load)}


@dataclass(frozen=True)
class Anyone:
    """Stands in for keys and workspaces, which are kept in memory in life as well."""

    principal: Principal

    async def token(self, _token: str) -> Principal:
        return self.principal

    async def get(self, _workspace: Any) -> "Anyone":
        return self

    @property
    def keys(self) -> Any:
        return None


async def by_hand(request: Request) -> Response:
    """Answer as one would without GraphQL."""
    ask = msgspec.json.decode(await request.body())
    wanted = _EVERYONE if "profiles" in ask["query"] else [_BY_ID["p0"]]
    people = [
        {
            "id": each.id,
            "name": each.name,
            "visits": each.visits,
            "score": each.score,
            "segments": [{"id": segment.id, "name": segment.name} for segment in each.held],
        }
        for each in wanted
    ]
    return Response(msgspec.json.encode({"data": {"profiles": people}}), media_type="application/json")


def _person(number: int) -> Profile:
    held = [Segment(id=strawberry.ID(f"s{n}"), name=f"segment {n}") for n in range(SEGMENTS)]
    return Profile(id=strawberry.ID(f"p{number}"), name=f"person {number}", visits=number, score=number / 4, held=held)


_EVERYONE = [_person(number) for number in range(PEOPLE)]
_BY_ID = {str(person.id): person for person in _EVERYONE}


def _take(_size: int) -> None:
    """Have room for whatever arrives."""


def by_plans(schema: Schema) -> GraphQLApp:
    """Answer by plans, whoever asks."""
    anyone: Any = Anyone(Principal(uuid4(), frozenset()))
    nothing: Any = None
    services = Services(nothing, nothing, nothing, utc_now, nothing, nothing, nothing)
    callers = Callers(services, anyone, anyone)
    return GraphQLApp(schema, services, callers, Documents({}, anything=True), arriving=lambda: nullcontext(_take))


def main(port: int) -> None:
    """Serve all four until ended."""
    collect_garbage_seldom()
    cached = [ParserCache, ValidationCache]
    routes = [
        Route("/plans", by_plans(Schema(query=Query))),
        Route("/strawberry", GraphQL(strawberry.Schema(query=PlainQuery, extensions=cached))),
        Route("/loader", _WithLoader(strawberry.Schema(query=LoadedQuery, extensions=cached))),
        Route("/by-hand", by_hand, methods=["POST"]),
    ]
    uvicorn.run(
        Starlette(routes=routes), host="127.0.0.1", port=port, http="httptools", loop="uvloop", log_level="error"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
