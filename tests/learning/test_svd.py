import numpy as np

from learning import svd
from learning.interactions import Interactions


def test_a_stranger_of_one_taste_is_offered_that_taste(shop: Interactions) -> None:
    fitted = svd.fit(shop, factors=8, epochs=60, seed=1)
    scores = fitted.scores(np.array([2, 3], np.int32), np.ones(2, np.float32))
    assert scores[[1, 4, 5]].min() > scores[10:20].max()


def test_the_same_seed_gives_the_same_model_and_progress_is_told(shop: Interactions) -> None:
    told: list[float] = []
    first = svd.fit(shop, factors=4, epochs=3, seed=1, progress=told.append)
    second = svd.fit(shop, factors=4, epochs=3, seed=1)
    assert np.array_equal(first.vectors, second.vectors)
    assert told == sorted(told)
    assert told[-1] == 1


def test_what_was_seen_is_never_sampled_as_unseen(shop: Interactions) -> None:
    people, items, labels = svd._samples(shop, np.random.default_rng(0))
    seen = set(zip(shop.people.tolist(), shop.items.tolist(), strict=True))
    unseen = labels == 0
    assert not seen & set(zip(people[unseen].tolist(), items[unseen].tolist(), strict=True))
    assert int(labels.sum()) == len(shop)
    assert unseen.sum() > len(shop)
