"""Pages of ours as they are served: nothing inline, nothing from elsewhere."""

from pathlib import Path
from typing import Final

from starlette.responses import FileResponse, Response

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cache-Control": "no-cache",
}
"""A new release shows at once: files are asked for again by their ETag."""


def page(path: Path) -> Response:
    """Serve a page."""
    return FileResponse(path, headers=HEADERS)
