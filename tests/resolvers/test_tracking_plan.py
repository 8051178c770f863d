import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from domain.consent import Purpose, State
from domain.key import Scope
from privacy.plan import default_document
from stores.workspaces import save_settings
from tests.fixtures.gateway import Gateway, event
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import Seeds, later

_PLAN = """{ trackingPlan { version document fields {
    event path kind sensitive sealed purposes basis retentionDays egress recipients uses { purpose basis retentionDays }
} } }"""
_SAVE = """mutation ($input: SaveTrackingPlanInput!) { saveTrackingPlan(input: $input) {
    __typename
    ... on TrackingPlanPayload { clientMutationId trackingPlan { version fields { path } } }
    ... on Problem { code message path }
    ... on VersionConflict { currentVersion }
} }"""
_DROPPED = "query ($since: DateTime) { droppedFields(since: $since) { path reason count lastSeenAt } }"


async def save(api: Api, document: Any, **more: Any) -> Any:
    return (await api.data(_SAVE, input={"document": document, **more}))["saveTrackingPlan"]


async def test_the_plan_is_shown_with_all_that_its_fields_inherit(api: Api) -> None:
    plan = (await api.data(_PLAN))["trackingPlan"]
    assert plan["version"] == 1
    assert plan["document"] == default_document()
    fields = {(field["event"], field["path"]): field for field in plan["fields"]}
    email = fields[None, "traits.email"]
    assert (email["kind"], email["sealed"], email["egress"]) == ("EMAIL", True, ["HASHED", "TOKEN"])
    assert email["recipients"] == ["controller", "advertising platforms"]
    assert fields["product_view", "properties.view_time"]["purposes"] == ["ADVERTISING", "ANALYTICS", "PERSONALIZATION"]
    assert fields[None, "context.ip"]["uses"] == [{"purpose": "ANALYTICS", "basis": "CONSENT", "retentionDays": 30}]


async def test_who_may_read_and_who_may_change_the_plan(api: Api) -> None:
    for scope in (Scope.PRIVACY_ADMIN, Scope.PROFILES_READ):
        assert await api.with_scopes([scope]).data("{ trackingPlan { version } }")
    assert await api.with_scopes([Scope.SEGMENTS_READ]).code("{ trackingPlan { version } }") == "missing_scope"
    assert await api.as_end_user("a-1").code("{ trackingPlan { version } }") == "wrong_kind_of_key"
    reader = api.with_scopes(set(Scope) - {Scope.PRIVACY_ADMIN})
    assert await reader.code(_SAVE, input={"document": {"version": 1}}) == "missing_scope"
    assert await reader.code(_DROPPED) == "missing_scope"
    assert await reader.code("{ recordOfProcessing { planVersion } }") == "missing_scope"


async def test_a_plan_is_saved_once_and_an_edit_of_another_version_is_refused(api: Api) -> None:
    document = {"version": 1, "context": {}, "traits": {"age": {"kind": "plain", "type": "integer"}}}
    saved = await save(api, document, expectedVersion=1, clientMutationId="c-1")
    assert saved == {
        "__typename": "TrackingPlanPayload",
        "clientMutationId": "c-1",
        "trackingPlan": {"version": 2, "fields": [{"path": "traits.age"}]},
    }
    assert (await save(api, document))["trackingPlan"]["version"] == 2
    conflict = await save(api, {"version": 1}, expectedVersion=1)
    assert (conflict["__typename"], conflict["currentVersion"]) == ("VersionConflict", 2)
    assert conflict["path"] == ["input", "expectedVersion"]
    racers = [save(api, {**document, "retention_days": days}, expectedVersion=2) for days in (10, 20, 30)]
    kinds = sorted([each["__typename"] for each in await asyncio.gather(*racers)])
    assert kinds == ["TrackingPlanPayload", "VersionConflict", "VersionConflict"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"version": 1, "fields": {"a": {"kind": "secret"}}}, "fields.a: "),
        ({"version": 1, "events": {"e": {"purposes": ["fun"]}}}, "events.e: "),
        ([], "plan: "),
        ("x", "plan: "),
    ],
)
async def test_a_plan_that_cannot_be_read_is_refused_with_its_place(api: Api, document: Any, message: str) -> None:
    refused = await save(api, document)
    assert (refused["__typename"], refused["path"]) == ("InvalidInput", ["input", "document"])
    assert refused["message"].startswith(message)
    assert (await api.data("{ trackingPlan { version } }"))["trackingPlan"]["version"] == 1


async def test_a_saved_plan_is_in_force_within_five_seconds(
    api: Api, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = await gateway.batch(event(properties={"product_id": "p", "shoe_size": 44}))
    assert before["dropped"] == ["properties.shoe_size"]
    document = default_document()
    document["fields"]["shoe_size"] = {"kind": "plain", "type": "number"}
    await save(api, document)
    in_five_seconds = time.monotonic() + 5
    monkeypatch.setattr("gateway.workspace.time", SimpleNamespace(monotonic=lambda: in_five_seconds))
    (after,) = await gateway.batch(event(properties={"product_id": "p", "shoe_size": 44}))
    assert "dropped" not in after
    assert (await gateway.logged())[-1].properties["shoe_size"] == 44


async def test_dropped_fields_are_counted_by_name_and_reason(api: Api, gateway: Gateway, seeds: Seeds) -> None:
    losses = gateway.resources.losses
    lost = {"product_id": "p", "shoe_size": 44, "jane@mail.co": 1}
    await gateway.batch(event(properties=lost), event(properties=lost, consent={"advertising": True}))
    await losses.flush()
    await gateway.batch(event(properties={"product_id": "p", "shoe_size": 44}))
    await losses.flush()
    found = (await api.data(_DROPPED))["droppedFields"]
    assert [(each["path"], each["reason"], each["count"]) for each in found] == [
        ("properties.shoe_size", "unannotated", 3),
        ("properties.?", "unannotated", 2),
    ]
    await seeds.set("dropped_field", "day", later(-86_400).date())
    assert (await api.data(_DROPPED, since=later(0).isoformat()))["droppedFields"] == []
    assert len((await api.data(_DROPPED, since=later(-86_400).isoformat()))["droppedFields"]) == 2


async def test_names_of_dropped_fields_are_bounded_per_workspace(gateway: Gateway, seeds: Seeds) -> None:
    for part in range(15):
        names = {f"n{part}_{number}": 1 for number in range(100)}
        await gateway.batch(event(properties={"product_id": "p", **names}))
        if part % 4 == 3:
            await gateway.resources.losses.flush()
    await gateway.resources.losses.flush()
    rows = await seeds.connection.fetch(
        "SELECT path, count FROM dropped_field WHERE workspace_id = $1", seeds.workspace
    )
    assert len(rows) == 1_001
    assert sum(row["count"] for row in rows) == 1_500
    assert dict(rows)["properties.?"] == 500


async def test_record_of_processing_names_controller_and_each_purpose(api: Api, gateway: Gateway, seeds: Seeds) -> None:
    controller = {"name": "Shop Ltd", "contact": "dpo@shop.example"}
    async with gateway.resources.database.workspace(seeds.workspace) as connection:
        await save_settings(connection, seeds.workspace, "controller", controller)
    gateway.resources.workspaces._known.clear()
    record = (
        await api.data(
            """{ recordOfProcessing { planVersion controller { name contact } securityMeasures activities {
                purpose bases categoriesOfData categoriesOfPersons recipients retentionDays fields } } }"""
        )
    )["recordOfProcessing"]
    assert record["controller"] == {"name": "Shop Ltd", "contact": "dpo@shop.example"}
    assert record["planVersion"] == 1
    assert record["securityMeasures"]
    activities = {each["purpose"]: each for each in record["activities"]}
    assert activities.keys() == {"FUNCTIONAL", "ANALYTICS", "PERSONALIZATION", "ADVERTISING"}
    assert all(all(each.values()) for each in record["activities"])
    assert "contact data" in activities["ADVERTISING"]["categoriesOfData"]
    assert "contact data" not in activities["ANALYTICS"]["categoriesOfData"]
    assert activities["ADVERTISING"]["recipients"] == ["advertising platforms", "controller"]


async def test_a_trait_goes_out_of_sight_once_all_its_purposes_are_refused(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(traits={"age": 35, "loyalty_points": 3}, anonymous_id="a-1")
    document = '{ profile(by: {anonymousId: "a-1"}) { traits } }'

    async def traits() -> Any:
        return (await api.data(document))["profile"]["traits"]

    assert await traits() == {"age": 35, "loyalty_points": 3}
    await seeds.consent(profile, Purpose.ANALYTICS, State.WITHDRAWN)
    assert await traits() == {"age": 35, "loyalty_points": 3}
    await seeds.consent(profile, Purpose.PERSONALIZATION, State.DENIED)
    assert await traits() == {"loyalty_points": 3}
    own = (await api.as_end_user("a-1").data("{ profile { traits } }"))["profile"]["traits"]
    assert own == {"age": 35, "loyalty_points": 3}


async def test_a_property_goes_out_of_sight_once_what_it_was_collected_for_is_refused(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(anonymous_id="a-1")
    await seeds.event(profile)
    await seeds.consent(profile, Purpose.ANALYTICS, State.WITHDRAWN)
    document = "events(first: 1) { nodes { id properties } }"
    asked = await api.data(f'{{ profile(by: {{anonymousId: "a-1"}}) {{ {document} }} }}')
    (node,) = asked["profile"]["events"]["nodes"]
    assert node["properties"] == {}
    again = await api.data("query ($id: ID!) { node(id: $id) { ... on Event { properties } } }", id=node["id"])
    assert again["node"]["properties"] == {}
    own = await api.as_end_user("a-1").data(f"{{ profile {{ {document} }} }}")
    assert own["profile"]["events"]["nodes"][0]["properties"] == {"product_id": "p1"}
