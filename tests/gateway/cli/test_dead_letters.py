"""`tagway deadletters` on the command line; what it does to records is tested where they are."""

import pytest

from tests.fixtures.gateway import Gateway
from tests.fixtures.terminal import tagway


@pytest.mark.parametrize("asked", [("inspect",), ("fix", "--remove", "traits"), ("replay",)])
@pytest.mark.parametrize("letter", ["170000", str(2**63)], ids=["free", "none that can be"])
async def test_one_that_does_not_exist_is_an_error(gateway: Gateway, asked: tuple[str, ...], letter: str) -> None:
    code, _, said = await tagway("deadletters", *asked, letter, postgres_url=gateway.database_url)
    assert (code, f"there is no dead letter {letter}" in said) == (1, True), said
