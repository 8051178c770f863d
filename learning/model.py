"""A trained model: arrays, an id map and a recipe, written as one file without code in it, named by its hash."""

import hashlib
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import numpy as np

from learning.factors import Factors
from learning.interactions import Numbers
from learning.neighbours import Neighbours
from learning.scoring import Blend
from learning.together import Together

_FORMAT: Final = 1


class Recipe(msgspec.Struct, frozen=True):
    """How a model was made: everything that a second training of the same kind needs."""

    kind: Literal["cosine", "ease"]
    """EASE for catalogues of at most 5,000 items."""
    neighbours: int = 200
    """How many each item keeps."""
    penalty: float = 800.0
    """λ of EASE."""
    factors: int = 64
    epochs: int = 30
    half_life_days: float | None = 180.0
    """How fast an event's weight fades in training."""
    blend: Blend = Blend()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """What serving needs, by item codes: `item_ids[code]` is the shop's own id."""

    recipe: Recipe
    item_ids: tuple[str, ...]
    neighbours: Neighbours
    factors: Factors
    together: Together
    popularity: Numbers
    """The faded weight of everyone's interactions, per item."""


class Damaged(Exception):
    """These bytes are not a model, or not the one they are said to be."""


def pack(model: Model) -> tuple[bytes, bytes]:
    """Write a model as an uncompressed NumPy archive; return it with its SHA-256."""
    head = {"format": _FORMAT, "recipe": model.recipe, "items": model.item_ids, "mean": model.factors.mean}
    file = io.BytesIO()
    np.savez(
        file,
        head=np.frombuffer(msgspec.json.encode(head), np.uint8),
        near_items=model.neighbours.items,
        near_weights=model.neighbours.weights,
        biases=model.factors.biases,
        vectors=model.factors.vectors,
        with_items=model.together.items,
        with_lifts=model.together.lifts,
        with_orders=model.together.orders,
        popularity=model.popularity,
    )
    packed = file.getvalue()
    return packed, hashlib.sha256(packed).digest()


def unpack(slices: Iterable[bytes], expected: bytes) -> Model:
    """Read a model, given in slices, whose SHA-256 must be `expected`. Nothing of it is ever executed.

    Raises `Damaged`.
    """
    packed = b"".join(slices)
    if hashlib.sha256(packed).digest() != expected:
        raise Damaged("the stored model does not have the hash it was published under")
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            head = msgspec.json.decode(arrays["head"].tobytes(), type=_Head)
            return _model(head, arrays)
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, msgspec.DecodeError) as error:
        raise Damaged(f"the stored model cannot be read: {type(error).__name__}") from error


class _Head(msgspec.Struct):
    format: Literal[1]
    recipe: Recipe
    items: tuple[str, ...]
    mean: float


def _model(head: _Head, arrays: Any) -> Model:
    return Model(
        recipe=head.recipe,
        item_ids=head.items,
        neighbours=Neighbours(arrays["near_items"], arrays["near_weights"]),
        factors=Factors(head.mean, arrays["biases"], arrays["vectors"]),
        together=Together(arrays["with_items"], arrays["with_lifts"], arrays["with_orders"]),
        popularity=arrays["popularity"],
    )
