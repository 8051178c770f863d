"""The web application: routes, error answers, and nothing that it would have to open itself."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from domain.errors import TagwayError
from gateway.access import AccessLog
from gateway.errors import answer_failure, answer_http_exception
from gateway.graphql.app import graphql_routes
from gateway.prefix import Prefix
from gateway.resources import Resources, State
from gateway.routes import (
    collect,
    console,
    demo,
    health,
    ledger,
    profile,
    recommend,
    sources,
    stream,
    tag,
    token,
    visitor,
)


def routes() -> Sequence[BaseRoute]:
    """List every route; the first that matches serves."""
    return [
        *visitor.ROUTES,  # before the calls, whose path would take it
        *collect.ROUTES,
        *stream.ROUTES,
        *sources.ROUTES,
        *profile.ROUTES,
        *recommend.ROUTES,
        *token.ROUTES,
        *tag.ROUTES,
        *ledger.ROUTES,
        *health.ROUTES,
        *demo.ROUTES,
        *console.ROUTES,
    ]


def create_app(resources: Resources) -> Starlette:
    """Make the app around open resources, which requests see as their state."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[State]:
        yield State(resources=resources)

    middleware = [Middleware(AccessLog, metrics=resources.metrics, tracer=resources.tracer)]
    if resources.settings.base_path:
        middleware.append(Middleware(Prefix, path=resources.settings.base_path))
    app = Starlette(
        routes=[*routes(), *graphql_routes(resources.graphql)],
        middleware=middleware,
        exception_handlers={TagwayError: answer_failure, HTTPException: answer_http_exception},
        lifespan=lifespan,
    )
    # To send somebody on, it would name the host that they have named, and http where TLS ends before us: a key that is
    # sent again there goes in the clear.
    app.router.redirect_slashes = False
    return app
