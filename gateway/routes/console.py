"""The operators' console and the demo shop's pages: files as they lie in `console/`."""

from typing import Final

from starlette.routing import BaseRoute

ROUTES: Final[tuple[BaseRoute, ...]] = ()
