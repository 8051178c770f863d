"""The evaluator in memory, against a recount of everything at every instant; many more in the bench `oracle`."""

import pytest

from tests.profiles.segments.recount import compare


@pytest.mark.parametrize("part", range(4))
def test_every_membership_equals_a_recount_at_every_instant(part: int) -> None:
    assert sum(compare(seed) for seed in range(part * 10, part * 10 + 10)) > 5_000
