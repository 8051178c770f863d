"""The operators' console and the demo shop's pages: files as they lie in `console/`."""

from typing import Final

from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from console.files import console_page, console_static, demo_page, demo_static
from domain.errors import Refused
from gateway.resources import WebRequest, resources_of

# Nothing inline and nothing from elsewhere: what an event carries could not run even if it became markup.
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


async def console(_request: WebRequest) -> Response:
    """Serve the console's page; it asks for a secret key itself."""
    return FileResponse(console_page(), headers=_HEADERS)


async def shop(request: WebRequest) -> Response:
    """Serve the shop's page for each of its addresses. Raises `Refused` outside the development profile."""
    if resources_of(request).settings.profile != "dev":
        raise Refused(code="not_found")
    return FileResponse(demo_page(), headers=_HEADERS)


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/", console, methods=["GET"]),
    Mount("/console/static", StaticFiles(directory=console_static())),
    Mount("/demo/static", StaticFiles(directory=demo_static())),
    Route("/demo", shop, methods=["GET"]),
    Route("/demo/{path:path}", shop, methods=["GET"]),
)
