"""`tagway deadletters` on the command line; what it does to records is tested where they are."""

import pytest

from tests.fixtures.gateway import Gateway
from tests.fixtures.terminal import tagway


@pytest.mark.parametrize(
    "asked", [("inspect", "170000"), ("fix", "170000", "--remove", "traits"), ("replay", "170000")]
)
async def test_one_that_does_not_exist_is_an_error(gateway: Gateway, asked: tuple[str, ...]) -> None:
    code, _, said = await tagway("deadletters", *asked, postgres_url=gateway.database_url)
    assert (code, "there is no dead letter 170000" in said) == (1, True), said
