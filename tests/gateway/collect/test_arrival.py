from datetime import UTC, datetime
from uuid import uuid4

import pytest

from gateway.collect.arrival import Arrival, who

_NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("events", "people"),
    [
        ((b'{"userId": 12.0}', b'{"userId": "12"}', b'{"userId": 12}'), {"12"}),
        ((b'{"userId": " ann "}', b'{"previousId": "ann"}', b'{"anonymousId": "visitor"}'), {"ann", "visitor"}),
        ((b'{"userId": null, "anonymousId": "  "}', b'{"userId"', b"[]"), set()),
    ],
)
def test_one_person_has_one_name_however_it_is_spelled(events: tuple[bytes, ...], people: set[str]) -> None:
    assert who(Arrival(uuid4(), _NOW, events)) == people
