import asyncio
import gc

import pytest

from domain.consent import Purpose, State
from resolvers.context import Operation
from resolvers.loaders import Loaders
from resolvers.loading import DataLoader, Reader
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import Seeds


@pytest.mark.parametrize(
    ("asked", "statements"),
    [
        ("traits consents { state } segments { segment { key } } events { nodes { name properties } }", 3),
        ("traits segments { segment { key } } recommendations { listId personalized nodes { position } }", 2),
    ],
)
async def test_a_person_is_read_in_few_statements(api: Api, seeds: Seeds, asked: str, statements: int) -> None:
    profile = await seeds.profile(user_id="u-1", traits={"plan": "pro"})
    await seeds.consent(profile, Purpose.PERSONALIZATION, State.GRANTED)
    await seeds.segment("vip")
    document = f'{{ profile(by: {{externalId: "u-1"}}) {{ id {asked} }} }}'
    first = await api.data(document)
    api.statements.run.clear()
    again = await api.data(document)
    assert again["profile"]["traits"] == first["profile"]["traits"] == {"plan": "pro"}
    run = [each for each in api.statements.run if "set_config" not in each]
    assert len(run) == statements, run


async def test_an_operation_leaves_nothing_to_collect(api: Api, seeds: Seeds) -> None:
    await seeds.segment("s0")
    profile = await seeds.profile(user_id="u-1")
    await seeds.happen(profile, "s0")
    document = """{ profile(by: {externalId: "u-1"}) {
      segments { segment { key } } consents { purpose } recommendations(first: 3) { listId }
      events(first: 3) { nodes { name } totalCount } } }"""
    await api.data(document)
    gc.collect()
    gc.disable()
    try:
        await api.data(document)
        await asyncio.sleep(0)
        left = [type(each) for each in gc.get_objects() if isinstance(each, Operation | Loaders | Reader | DataLoader)]
    finally:
        gc.enable()
    assert left == []
