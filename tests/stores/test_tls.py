"""Postgres and Redis behind TLS, as their URLs ask for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import StoreUnavailable
from stores.migrate import require_schema
from stores.postgres import Database
from stores.redis import open_redis
from tests.fixtures.certificates import Authority
from tests.fixtures.tls import behind_tls


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def postgres(database_url: str, authority: Authority) -> AsyncIterator[str]:
    async with behind_tls(database_url, authority.sign("postgres"), "postgresql") as url:
        yield url


@pytest.fixture
async def redis(redis_url: str, authority: Authority) -> AsyncIterator[str]:
    async with behind_tls(redis_url, authority.sign("redis"), "rediss") as url:
        yield url


@pytest.mark.parametrize("mode", ["require", "verify-full"])
async def test_postgres_is_met_over_tls(postgres: str, authority: Authority, mode: str) -> None:
    url = f"{postgres}?sslmode={mode}&sslrootcert={authority.file}"
    await require_schema(url)
    database = await Database.open(url, role="app")
    try:
        assert await database.healthy()
    finally:
        await database.close()


async def test_a_postgres_of_another_authority_is_refused_and_why_is_told(
    postgres: str, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "Stranger").file
    elsewhere = postgres.replace("127.0.0.1", "localhost")
    for url, why in (
        (f"{postgres}?sslmode=verify-full&sslrootcert={stranger}", "certificate that is not trusted"),
        (f"{postgres}?sslmode=verify-full&sslrootcert={tmp_path / 'none.pem'}", "No such file"),
        (f"{postgres}?sslmode=verify", "sslmode"),
        (f"{elsewhere}?sslmode=verify-full&sslrootcert={authority.file}", "not trusted"),
    ):
        with pytest.raises(StoreUnavailable, match=why) as caught:
            await Database.open(url, role="app")
        assert "\n" not in str(caught.value)
        with pytest.raises(StoreUnavailable, match=why):
            await require_schema(url)


async def test_redis_is_met_over_tls(redis: str, authority: Authority) -> None:
    client = await open_redis(f"{redis}?ssl_ca_certs={authority.file}")
    try:
        await client.set("name", "value")
        assert await client.get("name") == b"value"
    finally:
        await client.aclose()


async def test_a_redis_of_another_authority_is_refused_and_why_is_told(redis: str, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "Stranger").file
    for url, why in (
        (redis, "certificate that is not trusted"),
        (f"{redis}?ssl_ca_certs={stranger}", "certificate that is not trusted"),
        (f"{redis}?ssl_ca_certs={tmp_path / 'none.pem'}", "No such file"),
        (f"{redis}?ssl_cert_reqs=hush", "URL"),
    ):
        with pytest.raises(StoreUnavailable, match=why):
            await open_redis(url)


async def test_a_wrong_password_of_redis_is_told(redis_url: str) -> None:
    wrong = redis_url.replace("redis://:", "redis://:hush")
    with pytest.raises(StoreUnavailable, match="refuses the user or the password") as caught:
        await open_redis(wrong)
    assert "hush" not in str(caught.value)
