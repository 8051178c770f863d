"""Pages that a browser renders before anyone sees them. It does not while it is driven, so here nobody drives it."""

import asyncio
from pathlib import Path
from typing import Any

from tests.fixtures.browser import chromium
from tests.lacking import missing
from tests.tag_sdk.conftest import Site

RULES = '{"prerender": [{"source": "list", "urls": ["/next", "/never"], "eagerness": "immediate"}]}'


async def test_a_page_rendered_in_advance_counts_when_it_is_shown(site: Site, tmp_path: Path) -> None:
    site.settings = {"consent": {"analytics": "granted"}}
    site.head = f'<script type="speculationrules">{RULES}</script>'
    site.headers = {"Content-Security-Policy": "script-src 'self' 'inline-speculation-rules'; connect-src 'self'"}
    site.body = '<script src="/pages/ahead.js"></script>'
    switches = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run"]
    process = await asyncio.create_subprocess_exec(
        chromium(), *switches, f"--user-data-dir={tmp_path}", site.url, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await site.until(
            lambda s: any(path(event) == "/next" for event in s.events) and s.named("early") and s.named("leaving")
        )
    finally:
        process.terminate()
        await process.wait()
    # What is sent as a page ends may come again, under the same id.
    leaving = site.named("leaving")[0]
    if "/next" not in leaving["properties"]["rendered"]:
        missing("this Chromium renders no page in advance")
    views = [event for event in site.distinct if event["type"] == "page"]
    assert [path(event) for event in views] == ["/", "/next"]
    early = {event["messageId"]: event for event in site.named("early")}
    assert [path(event) for event in early.values()] == ["/next"]
    for event in (views[1], *early.values()):
        assert event["timestamp"] >= leaving["timestamp"]
    assert len({event["anonymousId"] for event in site.events}) == 1
    assert {event["context"]["sessionId"] for event in site.events} == {leaving["context"]["sessionId"]}


def path(event: dict[str, Any]) -> str:
    """Return the path of the page that an event is of."""
    return str(event["context"]["page"]["path"])
