"""Whether the documents that frontends may send can be read: the gateway does not start without them."""

from gateway.manifest import read_manifest
from gateway.settings import Settings


async def check_manifest(settings: Settings) -> str:
    """Read the file."""
    documents = read_manifest(settings.query_manifest)
    return f"{len(documents):,} documents" if settings.query_manifest else "none"
