"""How an answer tells what its key may still send."""

from typing import Final

from domain.pace import Quota

QUOTA_HEADERS: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
"""Events that may come at once, those of them that are left, and seconds until none is missing."""


def quota_headers(quota: Quota) -> dict[str, str]:
    """Write a quota as headers."""
    return dict(zip(QUOTA_HEADERS, map(str, (quota.at_once, quota.left, quota.full_after)), strict=True))
