import pytest

from domain.errors import StoreUnavailable
from stores.redis import open_redis


async def test_a_client_answers(redis_url: str) -> None:
    client = await open_redis(redis_url)
    try:
        await client.set("name", "value")
        assert await client.get("name") == b"value"
    finally:
        await client.aclose()


async def test_no_server_is_a_store_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await open_redis("redis://127.0.0.1:1/0")
