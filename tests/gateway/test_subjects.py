import asyncio
from uuid import uuid4

import pytest
import redis.asyncio

from domain.alias import Alias, AliasKind
from gateway.metrics import Metrics
from gateway.subjects import Subjects
from stores.subject_cache import SubjectCache
from tests.fixtures.gateway import Gateway, event


def alias(name: str) -> Alias:
    return Alias(AliasKind.USER_ID, 1, name.encode().ljust(32, b"."))


async def test_collection_goes_on_without_redis(gateway: Gateway) -> None:
    gone = redis.asyncio.Redis(port=1)
    resources = gateway.resources
    subjects = Subjects(resources.database, resources.workspaces, SubjectCache(gone), resources.clock, Metrics())
    workspace = await resources.workspaces.get(gateway.tenant.workspace)
    enrolled = await subjects.enrol(workspace, [alias("a")])
    found = await subjects.find(workspace.id, [alias("a"), alias("b")])
    assert found.subjects == enrolled
    await gone.aclose()


async def test_gateways_that_race_settle_on_one_subject(gateway: Gateway) -> None:
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    resources = gateway.resources
    cache = SubjectCache(resources.redis)
    racers = [Subjects(resources.database, resources.workspaces, cache, resources.clock, Metrics()) for _ in range(6)]
    aliases = [alias(str(number)) for number in range(20)]
    answers = await asyncio.gather(*(racer.enrol(workspace, reversed(aliases)) for racer in racers))
    assert all(answer == answers[0] for answer in answers)
    stored = await gateway.sql("SELECT FROM subject WHERE workspace_id = $1", workspace.id)
    assert len(stored) == len(aliases)


async def test_known_people_cost_no_statement(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    await gateway.batch(event(userId="u1"))
    await gateway.batch(event(userId="u1"))

    async def refuse(*_arguments: object) -> None:
        raise AssertionError("Postgres was asked")

    monkeypatch.setattr("gateway.subjects.find_subjects", refuse)
    monkeypatch.setattr("gateway.subjects.enrol_subjects", refuse)
    (result,) = await gateway.batch(event(userId="u1", anonymousId=None))
    assert result["outcome"] == "accepted"


async def test_an_event_belongs_to_its_strongest_identifier(gateway: Gateway) -> None:
    await gateway.batch(event(anonymousId="a1"))
    await gateway.batch(event(anonymousId="a1", userId="u1"))
    await gateway.batch(event(anonymousId="a2", userId="u1"))
    visitor, user, elsewhere = await gateway.logged()
    assert visitor.subject != user.subject
    assert user.subject == elsewhere.subject
    assert [each.kind for each in user.aliases] == [AliasKind.USER_ID, AliasKind.ANONYMOUS_ID]
    kinds = await gateway.sql("SELECT kind FROM alias WHERE workspace_id = $1", gateway.tenant.workspace)
    assert sorted(row["kind"] for row in kinds) == ["anonymous_id", "user_id"]


async def test_an_address_without_consent_for_it_becomes_no_alias(gateway: Gateway) -> None:
    traits = {"email": "someone@shop.example"}
    only = {"functional": True}
    await gateway.batch(event(type="identify", userId=None, traits=traits, consent=only, messageId=str(uuid4())))
    for each in await gateway.logged():
        assert AliasKind.EMAIL not in {kept.kind for kept in each.aliases} or "email" in str(each.sealed)
