"""How much does a page load for the tag, as gzip sends it?"""

import gzip

from bench.figure import Figure
from tag_sdk import files


async def run() -> list[Figure]:
    """Compress what is committed."""
    snippet = files.loader_snippet("https://collect.example.com", "wk_0123456789abcdef0123")
    return [
        Figure("the tag", len(gzip.compress(files.tag_source())) / 1024, "KB", at_most=7),
        Figure("the snippet that a site pastes", len(gzip.compress(snippet.encode())), "B", at_most=300),
    ]
