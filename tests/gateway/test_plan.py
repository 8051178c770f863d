"""One plan at the door: what it does not name is nowhere afterwards, and the tag knows as much."""

import json
import secrets

from privacy.allowlist import allow_list
from privacy.plan import default_document, read_plan
from tests.fixtures.gateway import Gateway, event


async def test_hundred_random_fields_are_stored_nowhere_and_counted(gateway: Gateway) -> None:
    names = [f"x{secrets.token_hex(6)}" for _ in range(100)]
    canary = secrets.token_hex(12)
    (result,) = await gateway.batch(event(properties={"product_id": "p", **dict.fromkeys(names, canary)}))
    assert result["outcome"] == "accepted"
    assert set(result["dropped"]) == {f"properties.{name}" for name in names}
    await gateway.resources.losses.flush()
    (kept,) = await gateway.log_values()
    assert canary.encode() not in kept
    assert not [name for name in names if name.encode() in kept]
    rows = await gateway.sql("SELECT * FROM dropped_field WHERE workspace_id = $1", gateway.tenant.workspace)
    assert {row["path"] for row in rows} == {f"properties.{name}" for name in names}
    assert canary not in str(rows)
    async with gateway.http.get(gateway.url + "/metrics") as response:
        metrics = await response.text()
    assert 'tagway_fields_dropped_total{place="properties",reason="unannotated"}' in metrics
    assert canary not in metrics
    assert not [name for name in names if name in metrics]


async def test_tag_of_a_site_carries_the_allow_list_of_its_plan(gateway: Gateway) -> None:
    async with gateway.http.get(f"{gateway.url}/tag/{gateway.tenant.write_key}.js") as response:
        source = await response.text()
        assert response.headers["Cache-Control"] == "public, max-age=300"
    settings = json.loads(source.splitlines()[0].split("=", 1)[1].removesuffix(";"))
    assert settings["plan"] == json.loads(json.dumps(allow_list(read_plan(default_document()))))
    assert settings["plan"]["traits"]["email"] == settings["plan"]["traits"]["phone"] == 0b011010


async def test_names_that_the_tag_left_out_count_as_dropped(gateway: Gateway) -> None:
    told = {"dropped": ["properties.shoe_size", "traits.mood", "else.where"]}
    (result,) = await gateway.batch(event(context=told))
    assert result["dropped"] == ["properties.shoe_size", "traits.mood"]
    (stored,) = await gateway.logged()
    assert "dropped" not in stored.context
