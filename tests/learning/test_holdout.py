import numpy as np

from learning.holdout import last_fifth_out, last_out, without_newest
from learning.interactions import Interactions


def test_the_last_item_of_everyone_is_kept_back(shop: Interactions) -> None:
    holdout = last_out(shop)
    assert len(holdout.cases) == 60
    for case in holdout.cases:
        rows = shop.items[shop.people == case.person]
        assert case.wanted.tolist() == [rows[-1]]
        assert case.history.items.tolist() == rows[:-1][::-1].tolist()
        assert sorted(case.seen) == sorted(rows[:-1])


def test_people_to_judge_by_can_be_few_or_recent_yet_nobodys_end_is_trained_on(shop: Interactions) -> None:
    for holdout in (last_out(shop, most=7), last_out(shop, since=float(shop.at.max()) - 20)):
        assert 0 < len(holdout.cases) < 10
        assert len(holdout.training) == len(shop) - 60


def test_the_last_fifth_is_kept_back(shop: Interactions) -> None:
    holdout = last_fifth_out(shop)
    assert {len(case.wanted) for case in holdout.cases} == {1}
    assert all(len(case.seen) == 5 for case in holdout.cases)


def test_a_stale_history_lacks_the_newest_only(shop: Interactions) -> None:
    cases = last_out(shop).cases
    for case, stale in zip(cases, without_newest(cases, 2), strict=True):
        assert np.array_equal(stale.history.items, case.history.items[2:])
        assert np.array_equal(stale.seen, case.seen)
