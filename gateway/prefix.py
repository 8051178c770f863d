"""Serving under a path of another site, which passes requests on as they are."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

_KINDS: Final = {"http", "websocket"}


class Prefix:
    """ASGI middleware. What comes under `path` is routed as if it came without it; all else as ever."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket."""
        if scope["type"] in _KINDS and scope["path"].startswith(f"{self._path}/"):
            # Routes are matched, and addresses told, with this in mind.
            scope["root_path"] = self._path
        await self._app(scope, receive, send)
