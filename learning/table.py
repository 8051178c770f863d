"""Reads a file of who wanted what: MovieLens in its three shapes, or CSV with a header that names its columns."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.errors import Refused
from learning.interactions import Interactions, fold
from learning.weights import WEIGHTS

_COLUMNS: Final = {
    "person": ("user_id", "userid", "user", "person", "customer_id", "user_id:token"),
    "item": ("item_id", "itemid", "movieid", "item", "product_id", "item_id:token"),
    "rating": ("rating", "rating:float"),
    "at": ("timestamp", "timestamp:float", "at", "time"),
    "event": ("event", "event_type", "name"),
    "weight": ("weight", "count"),
}
"""What each column may be called, in lower case."""

_TIES: Final = 7
Line = TypeVar("Line")

_MOVIELENS: Final = ("person", "item", "rating", "at")


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file. `ratings` is empty where the file has none; `weights` are 1 where it has none."""

    people: list[str]
    items: list[str]
    ratings: NDArray[np.float64]
    weights: NDArray[np.float64]
    at: NDArray[np.float64]

    def interactions(self) -> Interactions:
        """Fold the rows by person and item. Rows of one instant are put in an arbitrary order, always the same."""
        order = np.random.default_rng(_TIES).permutation(len(self.people))
        person_codes, item_codes = _codes(self.people), _codes(self.items)
        return fold(
            np.array([person_codes[self.people[row]] for row in order], np.int32),
            np.array([item_codes[self.items[row]] for row in order], np.int32),
            self.weights[order].astype(np.float32),
            self.at[order],
            list(item_codes),
        )


def read_table(path: Path) -> Table:
    """Read `u.data`, `ratings.dat`, `ratings.csv`, a tab-separated `.inter`, or any CSV with such a header.

    Needed are a person and an item; known besides are rating, timestamp (seconds, or a time of ISO 8601, which is in
    UTC if it names no zone), event (our names) and weight.
    Raises `Refused` naming the line at fault, and `OSError`.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = _split(file)
        first = next(lines, None)
        if first is None:
            raise Refused(f"{path.name} is empty")
        names = [_meaning(each) for each in first]
        if "person" in names and "item" in names:
            return _table(path.name, names, lines, 2)
        if len(first) == len(_MOVIELENS):
            return _table(path.name, _MOVIELENS, _chain(first, lines), 1)
    raise Refused(f"{path.name}: the first line names no person and item, and is no MovieLens rating either")


def _split(file: Iterator[str]) -> Iterator[list[str]]:
    first = next(file, "")
    if not first:
        return
    if "::" in first:
        yield first.strip().split("::")
        for line in file:
            yield line.strip().split("::")
        return
    delimiter = "\t" if "\t" in first else ","
    yield from csv.reader(_chain(first, file), delimiter=delimiter)


def _chain(first: Line, rest: Iterator[Line]) -> Iterator[Line]:
    yield first
    yield from rest


def _meaning(header: str) -> str:
    plain = header.strip().lower()
    return next((meaning for meaning, names in _COLUMNS.items() if plain in names), plain)


def _table(name: str, names: Sequence[str], lines: Iterator[list[str]], first: int) -> Table:
    place = {meaning: names.index(meaning) for meaning in _COLUMNS if meaning in names}
    people, items = [], []
    numbers: dict[str, list[float]] = {"rating": [], "at": [], "weight": []}
    for number, line in enumerate(lines, first):
        if not line:
            continue
        if len(line) < len(names):
            raise Refused(f"{name}, line {number}: {len(names)} columns were expected, not {len(line)}")
        try:
            people.append(_named(line[place["person"]]))
            items.append(_named(line[place["item"]]))
            for meaning in numbers.keys() & place.keys():
                numbers[meaning].append(_READ[meaning](line[place[meaning]]))
            if "event" in place and "weight" not in place:
                numbers["weight"].append(_weight(line[place["event"]]))
        except ValueError as error:
            raise Refused(f"{name}, line {number}: {error}") from None
    count = len(people)
    return Table(
        people,
        items,
        np.array(numbers["rating"]),
        np.array(numbers["weight"]) if numbers["weight"] else np.ones(count),
        np.array(numbers["at"]) if numbers["at"] else np.arange(count, dtype=np.float64),
    )


def _named(text: str) -> str:
    if not text:
        raise ValueError("a person or an item is empty")
    return text


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number to reckon with")
    return value


def _instant(text: str) -> float:
    try:
        return _number(text)
    except ValueError:
        at = datetime.fromisoformat(text.strip())
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _weight(event: str) -> float:
    if event not in WEIGHTS:
        raise ValueError(f"the event {event!r} is none of {', '.join(WEIGHTS)}")
    return WEIGHTS[event]


_READ: Final = {"rating": _number, "at": _instant, "weight": _number}


def _codes(names: Sequence[str]) -> dict[str, int]:
    codes: dict[str, int] = {}
    for name in names:
        codes.setdefault(name, len(codes))
    return codes
