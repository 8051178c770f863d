"""Pages that end as soon as they have said something."""

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from domain.event import ProtectedEvent
from tests.fixtures.browser import Visitor
from tests.fixtures.gateway import Gateway
from tests.patience import AT_ALL
from tests.tag_sdk.conftest import ALL, Site, consent
from tests.tag_sdk.stored import embed, lacking, logged, named

NAVIGATIONS, SECONDS = 1000, 240
TAB = 10_000
"""A tab's first position."""


@pytest.mark.timeout(SECONDS + 4 * AT_ALL)
async def test_no_event_is_lost_in_a_thousand_quick_navigations(site: Site, gateway: Gateway, visitor: Visitor) -> None:
    await embed(site, gateway, {"consent": {"analytics": "granted"}})
    told = await walk(site, visitor, NAVIGATIONS, 2)
    events = await lacking(gateway, lambda events: told - positions(events))
    assert positions(events) == told
    assert len(told) >= NAVIGATIONS // 10, "even a slow machine comes this far"


async def test_nothing_is_sent_by_quick_navigations_before_consent(
    site: Site, gateway: Gateway, visitor: Visitor
) -> None:
    await embed(site, gateway, {})
    methods: set[str] = set()
    visitor.context.on("request", lambda request: methods.add(request.method))
    told = await walk(site, visitor, NAVIGATIONS // 10, 2)
    assert methods == {"GET"}
    assert await visitor.context.cookies() == []
    await consent(visitor.context.pages[0], ALL)
    events = await logged(gateway, lambda events: len(named(events, "step")) >= 2)
    # What the pages before had held went with them: it was in their memory alone.
    assert positions(events) == {max(each for each in told if each // TAB == tab) for tab in range(2)}


async def walk(site: Site, visitor: Visitor, navigations: int, tabs: int) -> set[int]:
    """Have some tabs go through pages as fast as they can; return the positions that they told of.

    A machine that is too slow goes as far as it comes in its time.
    """
    site.body = '<script src="/pages/walk.js"></script>'
    last = navigations // tabs - 1
    pages = [await visitor.open() for _ in range(tabs)]

    async def go(tab: int, page: Page) -> None:
        await page.goto(f"{site.url}/{tab}/0/{last}", wait_until="commit")
        await page.wait_for_url(f"{site.url}/{tab}/{last}/{last}", timeout=1000 * SECONDS)

    async def stand(tab: int, page: Page) -> set[int]:
        await page.wait_for_function(
            "last => location.pathname.endsWith(`/${last}/${last}`) || !window.walking", arg=last
        )
        await page.wait_for_load_state()
        place = int(urlsplit(page.url).path.split("/")[2])
        await page.evaluate("void tagway.flush()")
        return {tab * TAB + each for each in range(place + await page.evaluate("+!!window.walking"))}

    with suppress(PlaywrightTimeoutError):
        await asyncio.gather(*(go(tab, page) for tab, page in enumerate(pages)))
    site.body = ""
    return set().union(*[await stand(tab, page) for tab, page in enumerate(pages)])


def positions(events: list[ProtectedEvent]) -> set[Any]:
    return {event.properties["position"] for event in named(events, "step")}
