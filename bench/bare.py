"""What a team would write by hand for one purpose: the yardstick of the ratios. Run as a process of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.alias import Alias, AliasKind
from gateway.settings import read_settings
from stores.postgres import Database
from stores.reads import events, profiles, segments

_SETTINGS = read_settings()


class _Ask(msgspec.Struct):
    workspace: UUID
    index: bytes


async def read(request: Request) -> Response:
    """Only read the body."""
    return JSONResponse({"size": len(await request.body())})


async def profile(request: Request) -> Response:
    """Answer what the bench's GraphQL query asks, with the same statements."""
    ask = msgspec.json.decode(await request.body(), type=_Ask)
    database: Database = request.state.database
    async with database.workspace(ask.workspace) as connection:
        alias = Alias(AliasKind.USER_ID, 1, ask.index)
        found = (await profiles.of_aliases(connection, [alias]))[alias]
        row = (await profiles.by_ids(connection, [found]))[found]
        memberships = (await segments.memberships(connection, [found])).get(found, [])
        history = (await events.histories(connection, [events.History(found, 11)]))[0]
    answer = {
        "profile": {
            "id": row.id,
            "traits": row.traits,
            "counters": row.counters,
            "segments": [{"key": each.segment.key, "enteredAt": each.entered_at} for each in memberships],
            "events": [{"name": each.name, "at": each.at, "properties": each.properties} for each in history[:10]],
        }
    }
    return Response(msgspec.json.encode(answer), media_type="application/json")


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Database]]:
    """Open the database."""
    database = await Database.open(_SETTINGS.postgres_url or "", role="app")
    yield {"database": database}
    await database.close()


if __name__ == "__main__":
    routes = [Route("/v1/batch", read, methods=["POST"]), Route("/profile", profile, methods=["POST"])]
    uvicorn.run(
        Starlette(routes=routes, lifespan=lifespan),
        host=_SETTINGS.host,
        port=_SETTINGS.port,
        http="httptools",
        loop="uvloop",
        log_level="error",
    )
