import msgspec
import pytest

from domain.topics import EVENTS, SEGMENT_CHANGES
from gateway.settings import Settings
from gateway.stores import open_stores

pytestmark = pytest.mark.services


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return Settings(postgres_url=database_url, redis_url=redis_url)


async def _cut(settings: Settings, topic: str) -> int:
    async with open_stores(settings, role="worker", connections=2) as stores:
        return len(await stores.log.ends(topic))


async def test_topics_are_cut_as_was_set_and_stay_as_they_were_made(settings: Settings) -> None:
    for asked in (6, 3):
        settings = msgspec.structs.replace(settings, log_partitions=asked)
        assert [await _cut(settings, topic) for topic in (EVENTS, SEGMENT_CHANGES)] == [6, 6]


async def test_topics_of_brokers_will_be_cut_as_was_set(settings: Settings) -> None:
    away = msgspec.structs.replace(settings, kafka_bootstrap="127.0.0.1:1", log_partitions=6)
    async with open_stores(away, role="worker", connections=2) as stores:
        assert stores.log.partitions == 6
