"""The gateway process."""

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gateway.settings import Settings


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM, then drain. Raises `SettingsError` when the settings name no stores."""
    settings.needs("postgres_url", "redis_url")
    app = Starlette(routes=[Route("/healthz", _alive)])
    await uvicorn.Server(uvicorn.Config(app, host=settings.host, port=settings.port, log_level="warning")).serve()


async def _alive(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")
