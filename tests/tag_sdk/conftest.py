import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Page

from tag_sdk import files
from tests.fixtures.browser import Visitor
from tests.patience import AT_ALL

WRITE_KEY = "wk_test"
PURPOSES = ["functional", "analytics", "personalization", "advertising", "sale_or_share"]
ALL = dict.fromkeys(PURPOSES, True)
STATEMENT = "Consent Preference Updated"
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
FIXTURES = Path(__file__).parent / "pages"
PAGE = """<!doctype html><html lang="en"><title>{title}</title>{head}{scripts}{embed}
<a id="next" href="/next">next</a>{body}"""
LOADER = '<script src="/loader.js"></script>'
# What a careful site allows: no inline script, no eval, nothing from elsewhere.
PASSED_BACK = {"Set-Cookie", "ETag", "Cache-Control", "Access-Control-Allow-Origin"}
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"

CATEGORIES: Final = {"functional": ["functional"], "analytics": ["functional"], "advertising": ["marketing"]}
BANNERS: Final = [
    pytest.param("tcf", "tcf", {}, id="tcf"),
    pytest.param("google", "google", {}, id="google"),
    pytest.param("onetrust", "onetrust", {}, id="onetrust"),
    pytest.param("cookiebot", "cookiebot", {}, id="cookiebot"),
    pytest.param("usercentrics2", "usercentrics", {"purposes": CATEGORIES}, id="usercentrics 2"),
    pytest.param("usercentrics3", "usercentrics", {"purposes": CATEGORIES}, id="usercentrics 3"),
    pytest.param("didomi", "didomi", {}, id="didomi"),
    pytest.param("callback", "callback", {}, id="callback"),
]
"""Pages of `pages/` that play a banner, each with the source that reads it and what that is told."""


@dataclass(frozen=True)
class Sent:
    """One request that the tag made."""

    path: str
    query: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def batch(self) -> list[dict[str, Any]]:
        return list(self.body["batch"])


@dataclass
class Site:
    """A site with the tag and the collect endpoint behind it, which records what comes and answers as it is told."""

    settings: dict[str, Any] = field(default_factory=dict)
    scripts: list[str] = field(default_factory=list)
    """Scripts of `pages/` that stand before the tag."""
    embed: str = LOADER
    """How the page brings the tag in."""
    head: str = ""
    body: str = ""
    visitors: list[dict[str, Any]] = field(default_factory=list)
    """What the tag asked of the gateway's own cookie, which holds `remembered`."""
    remembered: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of pages, over those that every page has."""
    behind: str = ""
    """The gateway that everything below /t/ is passed on to."""
    sent: list[Sent] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def close(self) -> None:
        for writer in self._open:
            writer.close()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event in the order of arrival, with repeats."""
        return [event for sent in self.sent for event in sent.batch]

    @property
    def distinct(self) -> list[dict[str, Any]]:
        """Every event once: what was sent as its page ended comes again, under the same id, if no answer was heard."""
        return list({event["messageId"]: event for event in self.events}.values())

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("event") == name]

    async def until(self, reached: Callable[["Site"], object]) -> None:
        """Wait until what has arrived satisfies `reached`."""
        async with asyncio.timeout(AT_ALL), self._arrived:
            await self._arrived.wait_for(lambda: reached(self))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                method, target, _ = first.split(" ")
                if self.behind and target.startswith("/t/"):
                    writer.write(await self._pass_on(method, target[2:], headers, body))
                else:
                    writer.write(await self._answer(target, headers, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _pass_on(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        own = {"", "host", "connection", "accept-encoding"}
        kept = {name: value for name, value in headers.items() if name not in own}
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
            http.request(method, self.behind + target, headers=kept, data=body) as response,
        ):
            more = {name: value for name, value in response.headers.items() if name in PASSED_BACK}
            return respond(await response.text(), response.content_type, response.status, more)

    async def _answer(self, target: str, headers: dict[str, str], body: bytes) -> bytes:
        url = urlsplit(target)
        if url.path in {"/v1/batch", "/beacon/v1/batch"}:
            return await self._collect(Sent(url.path, url.query, headers, json.loads(body)))
        if url.path == "/v1/visitor":
            self.visitors.append(json.loads(body))
            await self._happen()
            anonymous_id = self.remembered or self.visitors[-1].get("anonymousId")
            return respond(json.dumps({"anonymousId": anonymous_id}), "application/json")
        script = self._script(url.path)
        return self._page(url.path) if script is None else respond(script, "text/javascript")

    async def _collect(self, sent: Sent) -> bytes:
        self.sent.append(sent)
        await self._happen()
        status, more = self.answers.pop(0) if self.answers else (200, {})
        results = [{"message_id": event["messageId"], "outcome": "accepted"} for event in sent.batch]
        anyone = {"Access-Control-Allow-Origin": "*"}
        return respond(json.dumps({"success": True, "results": results}), "application/json", status, anyone | more)

    async def _happen(self) -> None:
        async with self._arrived:
            self._arrived.notify_all()

    def _script(self, path: str) -> str | None:
        if path == "/loader.js":
            return files.loader_snippet(self.url, WRITE_KEY)
        if path == f"/tag/{WRITE_KEY}.js":
            return files.site_tag({"writeKey": WRITE_KEY, "host": self.url} | self.settings).decode()
        if path.startswith("/tag/"):
            return files.part_source(path[5:-3]).decode()
        return (FIXTURES / path[7:]).read_text() if path.startswith("/pages/") else None

    def _page(self, path: str) -> bytes:
        scripts = "".join(f'<script src="/pages/{name}"></script>' for name in self.scripts)
        page = PAGE.format(title=path, head=self.head, scripts=scripts, embed=self.embed, body=self.body)
        return respond(page, "text/html", more={"Content-Security-Policy": POLICY} | self.headers)


def respond(text: str, kind: str, status: int = 200, more: dict[str, str] | None = None) -> bytes:
    body = text.encode()
    headers = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))} | (more or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n".encode() + body


@pytest_asyncio.fixture
async def site() -> AsyncIterator[Site]:
    served = Site()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield served
    server.close()
    served.close()


async def loaded(page: Page) -> Page:
    """Wait until the tag has taken the place of the loader's array."""
    assert await page.evaluate("new Promise(done => tagway.ready(done)).then(() => tagway.version)")
    return page


async def consent(page: Page, choice: dict[str, bool]) -> None:
    await page.evaluate("choice => void tagway.consent.set(choice)", choice)


async def stored(page: Page) -> list[str]:
    """Name what the tag keeps in localStorage."""
    keys: list[str] = await page.evaluate("Object.keys(localStorage).sort()")
    return [name.removeprefix(f"tagway.{WRITE_KEY}.").split(".")[0] for name in keys]


async def only_the_choice_is_left(page: Page) -> None:
    """Wait until localStorage holds the visitor's choice alone: the gateway has answered the last withdrawal."""
    await page.wait_for_function("() => Object.keys(localStorage).every(name => name.endsWith('.consent'))", polling=50)


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event.get("event", event["type"]) for event in events]


async def timed(site: Site, visitor: Visitor) -> Page:
    """Open the site with a clock that the test can move."""
    page = await visitor.open()
    await page.clock.install(time=NOON)
    await page.goto(site.url)
    return await loaded(page)


async def agreed(site: Site, visitor: Visitor) -> Page:
    """Open the site and grant everything; the statement and the first page view have arrived."""
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await site.until(lambda s: len(s.events) == 2)
    return page
