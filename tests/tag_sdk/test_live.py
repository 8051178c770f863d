"""What a page shows by the visitor's own segments."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page, WebSocketRoute

from tests.fixtures.browser import Visitor
from tests.patience import AT_ALL
from tests.tag_sdk.conftest import ALL, Site, consent, loaded

SLOTS = {
    "hero": [
        {"segment": "gold", "text": "<b>Welcome back</b>", "attributes": {"title": "gold", "onclick": "alert(1)"}},
        {"segment": "keen", "text": "Three lamps for two"},
    ],
    "offer": [{"segment": "keen", "attributes": {"href": "/lamps"}}],
    "trap": [{"segment": "keen", "attributes": {"href": "javascript:alert(1)", "style": "color: red"}}],
    "box": [{"segment": "keen", "text": "gone"}],
}
BODY = """<p data-tagway-slot="hero">Hello</p><a id="offer" data-tagway-slot="offer" href="/all">All</a>
<a id="trap" data-tagway-slot="trap" href="/safe">Safe</a><div data-tagway-slot="box"><i id="inside">kept</i></div>
<style id="style" data-tagway-slot="hero"></style>"""


@dataclass
class Line:
    """The gateway's end of the visitor's live line."""

    tokens: list[str] = field(default_factory=list)
    after: list[str | None] = field(default_factory=list)
    closed: int = 0
    _socket: WebSocketRoute | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def stand(self, page: Page) -> None:
        await page.route_web_socket("**/graphql", self._open)

    def _open(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(self._hear)
        socket.on_close(self._end)

    def _hear(self, text: str | bytes) -> None:
        said = json.loads(text)
        assert self._socket is not None
        if said["type"] == "connection_init":
            self.tokens.append(said["payload"]["token"])
            self._socket.send('{"type": "connection_ack"}')
        elif said["type"] == "subscribe":
            self.after.append(said["payload"]["variables"]["after"])
            self._changed.set()

    def _end(self, _code: int | None, _reason: str | None) -> None:
        self.closed += 1
        self._changed.set()

    async def change(self) -> None:
        """Wait until a line was opened or closed."""
        await asyncio.wait_for(self._changed.wait(), AT_ALL)
        self._changed.clear()

    def tell(self, *changes: tuple[str, str | None]) -> None:
        assert self._socket is not None
        for number, (kind, key) in enumerate(changes):
            change: dict[str, Any] = {
                "cursor": f"c{number}",
                "kind": kind,
                "segmentKey": key,
                "at": None,
                "cause": None,
            }
            self._socket.send(json.dumps({"type": "next", "id": "1", "payload": {"data": {"segmentChanges": change}}}))

    def break_off(self) -> None:
        """Lose the line, as networks do."""
        assert self._socket is not None
        asyncio.ensure_future(self._socket.close(code=1011))  # noqa: RUF006 - nothing waits for an end


async def opened(site: Site, visitor: Visitor, line: Line) -> Page:
    site.body = BODY
    site.headers = {"Content-Security-Policy": "default-src 'self' ws:"}
    page = await visitor.open()
    await line.stand(page)
    await page.goto(site.url)
    await loaded(page)
    await page.evaluate("slots => void tagway.use('slots', {slots, token: () => 'visitor'})", SLOTS)
    await page.wait_for_load_state("networkidle")
    return page


async def text(page: Page, wanted: str) -> None:
    await page.locator("p[data-tagway-slot=hero]", has_text=wanted).wait_for()


async def test_slots_show_what_the_first_segment_of_theirs_says_as_text(site: Site, visitor: Visitor) -> None:
    line = Line()
    page = await opened(site, visitor, line)
    assert line.tokens == []
    await consent(page, ALL)
    await line.change()
    assert (line.tokens, line.after) == (["visitor"], [None])
    line.tell(("SNAPSHOT_MEMBER", "keen"), ("SNAPSHOT_END", None))
    await text(page, "Three lamps for two")
    assert await page.get_attribute("#offer", "href") == "/lamps"
    assert await page.get_attribute("#trap", "href") == "/safe"
    assert await page.get_attribute("#trap", "style") is None
    assert await page.inner_text("#inside") == "kept"
    assert await page.text_content("#style") == ""
    line.tell(("ENTERED", "gold"))
    await text(page, "<b>Welcome back</b>")
    assert await page.get_attribute("p[data-tagway-slot=hero]", "onclick") is None
    assert await page.locator("b").count() == 0
    line.tell(("EXITED", "gold"), ("EXITED", "keen"))
    await text(page, "Hello")
    assert await page.get_attribute("#offer", "href") == "/all"
    assert await page.get_attribute("p[data-tagway-slot=hero]", "title") is None


async def test_without_consent_for_personalisation_the_page_shows_its_own(site: Site, visitor: Visitor) -> None:
    line = Line()
    page = await opened(site, visitor, line)
    await consent(page, ALL)
    await line.change()
    line.tell(("SNAPSHOT_MEMBER", "keen"), ("SNAPSHOT_END", None))
    await text(page, "Three lamps for two")
    await consent(page, {"personalization": False})
    await line.change()
    assert line.closed == 1
    await text(page, "Hello")


async def test_consent_that_comes_back_begins_with_what_stands_then(site: Site, visitor: Visitor) -> None:
    line = Line()
    page = await opened(site, visitor, line)
    heard = "void (window.heard = [], tagway.live(() => 'visitor', ({segments}) => heard.push(segments)))"
    await consent(page, ALL)
    await line.change()
    line.tell(("SNAPSHOT_MEMBER", "keen"), ("SNAPSHOT_END", None))
    await text(page, "Three lamps for two")
    await consent(page, {"personalization": False})
    await line.change()
    await text(page, "Hello")
    await consent(page, {"personalization": True})
    await line.change()
    assert line.after == [None, None]
    line.tell(("SNAPSHOT_MEMBER", "keen"), ("SNAPSHOT_END", None))
    await text(page, "Three lamps for two")

    await page.evaluate(heard)
    await line.change()
    line.tell(("SNAPSHOT_MEMBER", "keen"), ("SNAPSHOT_END", None))
    await page.wait_for_function("heard.length === 1")
    await consent(page, {"personalization": False})
    assert await page.evaluate("heard") == [["keen"], []]


async def test_a_lost_line_is_taken_up_after_the_last_change(site: Site, visitor: Visitor) -> None:
    line = Line()
    page = await opened(site, visitor, line)
    await consent(page, ALL)
    await line.change()
    line.tell(("SNAPSHOT_MEMBER", "keen"), ("SNAPSHOT_END", None))
    await text(page, "Three lamps for two")
    line.break_off()
    while len(line.after) < 2:
        await line.change()
    assert line.after == [None, "c1"]
    line.tell(("ENTERED", "gold"))
    await text(page, "<b>Welcome back</b>")
