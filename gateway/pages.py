"""What browsers are told of our answers; pages of ours: nothing inline, nothing from elsewhere."""

from pathlib import Path
from typing import Final

from starlette.responses import FileResponse, Response

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
}
"""A new release shows at once: files are asked for again by their ETag."""

SAFE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
)
"""What every answer tells browsers, whoever gives it."""

NOT_KEPT: Final = {"Cache-Control": "no-store"}
"""For answers that hold personal data or speak for somebody."""


def page(path: Path) -> Response:
    """Serve a page."""
    return FileResponse(path, headers=HEADERS)
