from pathlib import Path

import pytest

from domain.errors import Refused
from domain.item import Item
from gateway.cli.items import read_items

LAMP = Item("lamp", "Lamp", "light", 12.5, None, available=False, attributes={"color": "red"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("items.csv", "product_id,name,category,price,available,color\nlamp,Lamp,light,12.5,false,red\nrug,,,,,\n"),
        (
            "items.jsonl",
            """{"product_id": "lamp", "name": "Lamp", "category": "light", "price": 12.5, "available":0,"color":"red"}

{"id": "rug"}
""",
        ),
    ],
)
def test_items_are_read_from_either_shape(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert list(read_items(tmp_path / name)) == [LAMP, Item("rug")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("items.csv", "product_id,price\nlamp,1\nrug,cheap\n"),
        ("items.csv", "product_id,name\nlamp,Lamp\n,Rug\n"),
        ("items.csv", "product_id,price\nlamp,1\nrug,nan\n"),
        ("items.csv", "product_id,price\nlamp,1\nrug,1e999\n"),
        ("items.csv", "product_id,price\nlamp,1\nrug,-2\n"),
        ("items.csv", f"product_id\nlamp\n{'x' * 201}\n"),
        ("items.jsonl", '{"product_id": "lamp"}\n{"product_id": \n'),
        ("items.jsonl", '{"product_id": "lamp"}\n["rug"]\n'),
    ],
)
def test_a_mistake_names_its_place(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Refused, match=r"item [23]"):
        list(read_items(tmp_path / name))
