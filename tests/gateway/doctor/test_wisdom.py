"""The doctor names settings that mislead."""

import msgspec

from gateway.doctor.wisdom import check_settings
from gateway.settings import Settings
from tests.fixtures.doctor import examine


async def test_what_is_probably_not_meant_is_said_and_is_no_fault(settings: Settings) -> None:
    odd = msgspec.structs.replace(settings, profile="production", public_url="http://shop.example")
    assert await examine(odd) == (True, [])
    said = await check_settings(odd)
    assert "TAGWAY_PUBLIC_URL is not https" in said
    assert await check_settings(settings) == "nothing is odd"
    assert "TAGWAY_HOST=0.0.0.0" in await check_settings(msgspec.structs.replace(settings, host="0.0.0.0"))
    assert "TAGWAY_ERASURE_JOURNAL is not set" in said
