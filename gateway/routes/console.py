"""The operators' console and the demo shop's pages: files as they lie in `console/`."""

from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from console.files import console_page, console_static, demo_page, demo_static
from domain.errors import Refused
from gateway.pages import HEADERS, page
from gateway.resources import WebRequest, resources_of


class Files(StaticFiles):
    """A folder of the console, answered like every other route."""

    def file_response(self, *args: object, **keywords: object) -> Response:
        """Answer with a file, or that it has not changed."""
        response = super().file_response(*args, **keywords)  # type: ignore[arg-type]  # passed through as they come
        response.headers.update(HEADERS)
        return response


async def console(_request: WebRequest) -> Response:
    """Serve the operators' console."""
    return page(console_page())


async def shop(request: WebRequest) -> Response:
    """Serve the demo shop for each of its addresses: it routes by itself."""
    if resources_of(request).settings.profile != "dev":
        raise Refused(code="not_found")
    return page(demo_page())


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/", console, methods=["GET"]),
    Route("/demo", shop, methods=["GET"]),
    Mount("/console/static", Files(directory=console_static())),
    Mount("/demo/static", Files(directory=demo_static())),
    Route("/demo/{address:path}", shop, methods=["GET"]),
)
