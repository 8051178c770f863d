from pathlib import Path

import pytest

from domain.errors import Refused
from learning.table import read_table

SHAPES = {
    "u.data": "1\t10\t5\t100\n1\t20\t3\t200\n2\t10\t4\t300\n",
    "ratings.dat": "1::10::5::100\n1::20::3::200\n2::10::4::300\n",
    "ratings.csv": "userId,movieId,rating,timestamp\n1,10,5,100\n1,20,3,200\n2,10,4,300\n",
    "ml.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "1\t10\t5\t100\n1\t20\t3\t200\n2\t10\t4\t300\n",
    "reversed.csv": "timestamp,rating,item,person\n100,5,10,1\n200,3,20,1\n300,4,10,2\n",
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_of_ratings_is_read_alike(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(SHAPES[name])
    table = read_table(tmp_path / name)
    assert (table.people, table.items) == (["1", "1", "2"], ["10", "20", "10"])
    assert table.ratings.tolist() == [5, 3, 4]
    assert table.at.tolist() == [100, 200, 300]
    assert len(table.interactions()) == 3


def test_events_of_a_shop_are_weighed(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(
        "customer_id,product_id,event,timestamp\na,lamp,product_view,1\na,lamp,purchase,2\nb,rug,refund,3\n"
    )
    table = read_table(path)
    assert table.weights.tolist() == [1, 5, -5]
    assert table.interactions().weights.tolist() == [6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("a,b\n1,2\n", "names no person and item"),
        ("user,item,rating\n1,2,3\n1,2,many\n", "line 3"),
        ("user,item,rating\n1\n", "line 2"),
        ("user,item,event\n1,2,yawn\n", "line 2: the event 'yawn' is none of product_view"),
        ("user,item,rating\n1,2,nan\n", "line 2: nan"),
        ("user,item,rating\n1,2,inf\n", "line 2: inf"),
        ("user,item\n1,2\n,3\n", "line 3: a person or an item is empty"),
        ("user,item,at\n1,2,yesterday\n", "line 2: .*yesterday"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "file.csv").write_text(text)
    with pytest.raises(Refused, match=said):
        read_table(tmp_path / "file.csv")


def test_times_may_be_written_out(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("user,item,at\n1,2,1970-01-01T00:01:00Z\n1,3,1970-01-01 00:02:00\n1,4,180\n")
    assert read_table(path).at.tolist() == [60, 120, 180]


def test_a_mark_of_byte_order_is_no_part_of_the_first_person(tmp_path: Path) -> None:
    path = tmp_path / "u.data"
    path.write_text("\ufeff1\t10\t5\t100\n1\t20\t3\t200\n", encoding="utf-8")
    assert read_table(path).people == ["1", "1"]
