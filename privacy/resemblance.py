"""Who in one import looks like whom, while the plain values are in hand: nothing of them outlives the comparison."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

from rapidfuzz.distance import DamerauLevenshtein, JaroWinkler

from privacy.likeness import Likeness, values_of, weigh

_LARGEST_BLOCK: Final = 1_000


def alike(rows: Sequence[Mapping[str, Any]], least: float) -> Iterator[tuple[int, int, Likeness]]:
    """Find the rows, by their places, that are at least so much alike, 0 to 1; each pair once.

    Compared are rows that agree in birth date or in postcode. Of more than 1,000 that agree in one, no two are compared
    for that reason alone: it tells nobody apart.
    """
    yield from alike_values([values_of(row, row) for row in rows], least)


def alike_values(values: Sequence[Mapping[str, str]], least: float) -> Iterator[tuple[int, int, Likeness]]:
    """Find people as `alike` does, by the normal forms that `values_of` gives of each."""
    blocks: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, each in enumerate(values):
        for field in ("birth_date", "postcode"):
            if field in each:
                blocks[field, each[field]].append(place)
    seen: set[tuple[int, int]] = set()
    for block in blocks.values():
        for pair in combinations(block, 2) if len(block) <= _LARGEST_BLOCK else ():
            if pair not in seen:
                seen.add(pair)
                likeness = resemble(values[pair[0]], values[pair[1]])
                if likeness is not None and likeness.score >= least:
                    yield *pair, likeness


def resemble(one: Mapping[str, str], other: Mapping[str, str]) -> Likeness | None:
    """Compare two people by normal forms: names by Jaro-Winkler, dates and codes by how few letters are mistaken.

    None where they do not both have a name and one field more.
    """
    return weigh({field: _compare(field, one[field], other[field]) for field in one.keys() & other.keys()})


def _compare(field: str, one: str, other: str) -> float:
    if field == "name":
        return float(JaroWinkler.normalized_similarity(one, other))
    return float(DamerauLevenshtein.normalized_similarity(one, other))
