"""How the process is: alive, ready, and its figures."""

import asyncio
from typing import Final

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from domain.errors import StoreUnavailable
from gateway.resources import Resources, WebRequest, resources_of
from stores.redis import LOST

_CHECK_WITHIN: Final = 2.0


async def alive(_request: WebRequest) -> Response:
    """Answer as long as the process runs."""
    return JSONResponse({"status": "ok"})


async def ready(request: WebRequest) -> Response:
    """Ask each store. Without Redis events are still collected, so that alone is `degraded`, not 503."""
    resources = resources_of(request)
    postgres, redis, log = await asyncio.gather(_postgres(resources), _redis(resources), resources.log.healthy())
    stores = {"postgres": postgres, "redis": redis, "log": log}
    status = "unavailable" if not (postgres and log) else "ready" if redis else "degraded"
    return JSONResponse({"status": status, "stores": stores}, status_code=503 if status == "unavailable" else 200)


async def metrics(request: WebRequest) -> Response:
    """Show the figures in Prometheus' text format."""
    figures = resources_of(request).metrics
    return Response(figures.expose(), media_type=figures.content_type)


async def _postgres(resources: Resources) -> bool:
    try:
        async with asyncio.timeout(_CHECK_WITHIN), resources.database.workspace(None) as connection:
            await connection.fetchval("SELECT 1")
    except (StoreUnavailable, TimeoutError):
        return False
    return True


async def _redis(resources: Resources) -> bool:
    try:
        async with asyncio.timeout(_CHECK_WITHIN):
            await resources.redis.ping()
    except (*LOST, TimeoutError):
        return False
    return True


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/healthz", alive, methods=["GET"]),
    Route("/health", alive, methods=["GET"]),
    Route("/readyz", ready, methods=["GET"]),
    Route("/metrics", metrics, methods=["GET"]),
)
