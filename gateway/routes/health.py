"""How the process is: alive, ready, and its figures."""

import asyncio
from typing import Final

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.resources import WebRequest, resources_of
from stores.redis import healthy

_NOT_READY: Final = ("draining", "warming", "unavailable")


async def alive(_request: WebRequest) -> Response:
    """Answer as long as the process runs."""
    return JSONResponse({"status": "ok"})


async def ready(request: WebRequest) -> Response:
    """Ask each store, and look at the spool.

    Without Redis events are still collected, so that alone is `degraded`. Without the log or Postgres they are kept in
    the spool as long as it has room and its disk takes something: `spooling`, for a balancer must not take every
    gateway away. What an earlier process left in the spool is drained first: 503 and `draining` until then. The models
    that recommendations are made from are loaded next, at most for a minute: 503 and `warming`.
    """
    resources = resources_of(request)
    postgres, redis, log = await asyncio.gather(
        resources.database.healthy(), healthy(resources.redis), resources.log.healthy()
    )
    stores = {"postgres": postgres, "redis": redis, "log": log}
    spooling = resources.spooling
    if spooling is not None and not spooling.drained:
        status = "draining"
    elif not resources.warming.over:
        status = "warming"
    elif postgres and log:
        status = "ready" if redis else "degraded"
    else:
        status = "unavailable" if spooling is None or spooling.full else "spooling"
    body = {"status": status, "stores": stores, "spooled_requests": spooling.waiting if spooling else 0}
    return JSONResponse(body, status_code=503 if status in _NOT_READY else 200)


async def metrics(request: WebRequest) -> Response:
    """Show the figures in Prometheus' text format."""
    figures = resources_of(request).metrics
    return Response(figures.expose(), media_type=figures.content_type)


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/healthz", alive, methods=["GET"]),
    Route("/health", alive, methods=["GET"]),
    Route("/readyz", ready, methods=["GET"]),
    Route("/metrics", metrics, methods=["GET"]),
)
