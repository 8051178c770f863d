"""What a builder has stored in the end: each event, and each of them once."""

import asyncio
from typing import Any

import pytest

from tests.fixtures.browser import Visitor
from tests.fixtures.gateway import Gateway
from tests.fixtures.office import Office
from tests.patience import AT_ALL
from tests.tag_sdk.conftest import Site, loaded
from tests.tag_sdk.stored import embed

TELL = "names => { for (const name of names) tagway.track('product_view', {product_id: name}); tagway.flush(); }"


async def viewed(gateway: Gateway, number: int) -> list[str]:
    """Wait until as many views are stored as there were; return the products."""
    rows: list[Any] = []
    async with asyncio.timeout(AT_ALL):
        while len(rows) < number:
            await asyncio.sleep(0.2)
            rows = await gateway.sql(
                "SELECT properties::jsonb ->> 'product_id' FROM event WHERE workspace_id = $1 AND name = $2",
                gateway.tenant.workspace,
                "product_view",
            )
    return sorted(row[0] for row in rows)


@pytest.mark.parametrize("locks", [True, False], ids=["locks", "no locks"])
async def test_offline_and_back_in_two_tabs_each_event_is_stored_once(
    site: Site, office: Office, visitor: Visitor, locks: bool
) -> None:
    gateway = office.gateway
    await embed(site, gateway, {"consent": {"analytics": "granted"}})
    if not locks:
        await visitor.context.add_init_script("Object.defineProperty(navigator, 'locks', {value: undefined})")
    first, second = [await loaded(await visitor.open(f"{site.url}/{number}")) for number in range(2)]
    await visitor.context.set_offline(True)
    await first.evaluate(TELL, ["a", "b", "c"])
    await second.evaluate(TELL, ["d", "e"])
    # Its events are left to whoever comes by; closing only begins with the call.
    async with second.expect_event("close"):
        await second.close(run_before_unload=True)
    await visitor.context.set_offline(False)
    for number in range(2, 4):
        tab = await loaded(await visitor.open(f"{site.url}/{number}"))
        await tab.evaluate(TELL, [f"from {number}"])
    products = ["a", "b", "c", "d", "e", "from 2", "from 3"]
    assert await viewed(gateway, len(products)) == products
    [(counters,)] = await gateway.sql(
        "SELECT counters::jsonb ->> 'product_view' FROM profile WHERE workspace_id = $1", gateway.tenant.workspace
    )
    assert int(counters) == len(products)
