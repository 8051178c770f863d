import pytest

from domain.consent import Purpose, State
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
