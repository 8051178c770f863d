"""What the gateway makes of a workspace's rules on who is who."""

from typing import Any

import msgspec

from tests.fixtures.gateway import Gateway, event

ANN = {"name": "Ann Canary", "birthday": "1980-02-29"}


async def rule(gateway: Gateway, **rules: Any) -> None:
    settings = msgspec.json.encode({"identity": rules}).decode()
    await gateway.sql("UPDATE workspace SET settings = $1 WHERE id = $2", settings, gateway.tenant.workspace)
    gateway.resources.workspaces._known.clear()


async def test_people_are_made_comparable_only_where_the_workspace_wants_it(gateway: Gateway) -> None:
    identify: dict[str, Any] = {"type": "identify", "event": None, "properties": None, "traits": ANN}
    await gateway.batch(event(userId="ann", **identify, messageId="before"))
    await rule(gateway, matching=True)
    await gateway.batch(event(userId="ann", **identify, messageId="after"), event(userId="ann", messageId="track"))
    logged = {each.message_id: each for each in await gateway.logged()}
    assert {name: set(each.likeness) for name, each in logged.items()} == {
        "before": set(),
        "after": {"name", "birth_date"},
        "track": set(),
    }
    assert len(logged["after"].likeness["name"]) == 128


async def test_declared_ids_link_and_blocked_kinds_do_not(gateway: Gateway) -> None:
    await rule(gateway, external_ids=["crm"], limits={"device_id": 0})
    ids = {"externalIds": [{"type": "crm", "id": "c-1"}], "device": {"id": "d-1"}}
    given = event(userId="ann")
    await gateway.batch({**given, "context": {**given.get("context", {}), **ids}})
    (logged,) = await gateway.logged()
    assert [alias.kind.value for alias in logged.aliases] == ["user_id", "external_id", "anonymous_id"]
