import hashlib
import io
from dataclasses import fields

import numpy as np
import pytest

from learning.fitting import fit_model, starting_recipe
from learning.interactions import Interactions
from learning.model import Damaged, Model, pack, unpack


@pytest.fixture(scope="module")
def model(shop: Interactions) -> Model:
    return fit_model(shop, [[0, 1]] * 3, starting_recipe(shop), 0.0, lambda _what, _share: None)


def test_a_model_comes_back_as_it_was_packed(model: Model) -> None:
    packed, digest = pack(model)
    back = unpack([packed[:1000], packed[1000:]], digest)
    assert (back.recipe, back.item_ids, back.factors.mean) == (model.recipe, model.item_ids, model.factors.mean)
    for part in ("neighbours", "factors", "together"):
        for column in fields(getattr(model, part)):
            if column.compare:
                name = column.name
                assert np.array_equal(getattr(getattr(back, part), name), getattr(getattr(model, part), name))


def test_a_model_that_was_touched_is_not_read(model: Model) -> None:
    packed, digest = pack(model)
    with pytest.raises(Damaged):
        unpack([packed[:-1] + b"\x01"], digest)
    with pytest.raises(Damaged):
        unpack([packed], bytes(32))


def test_an_archive_with_a_pickle_inside_is_refused_unread() -> None:
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, head=np.array([{"format": 1}], dtype=object))
    packed = file.getvalue()
    with pytest.raises(Damaged):
        unpack([packed], hashlib.sha256(packed).digest())


@pytest.mark.parametrize("garbage", [b"", b"PK", b"\x93NUMPY" + bytes(50)])
def test_garbage_is_no_model(garbage: bytes) -> None:
    with pytest.raises(Damaged):
        unpack([garbage], hashlib.sha256(garbage).digest())
