"""What the tag of a site is told."""

from typing import Annotated, Any, Literal

import msgspec

SitePurpose = Literal["functional", "analytics", "personalization", "advertising", "sale_or_share"]
Options = dict[str, Any]


class SiteSettings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """The document of one write key. `Settings` in `tag_sdk/types/index.d.ts` says what each field does."""

    host: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s?#]+\Z", max_length=500)] | None = None
    """Where the tag sends and fetches its parts, path included: a site may serve the gateway under its own name."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_$][\w$]*\Z", max_length=50)] | None = None
    consent: dict[SitePurpose, Literal["granted", "denied", "pending"]] = {}
    consent_from: dict[str, Options] = {}
    collect_for: Annotated[tuple[SitePurpose, ...], msgspec.Meta(min_length=1)] | None = None
    auto_page: bool = True
    extras: dict[str, Options] = {}
    storage: Literal["localStorage", "cookie", "memory", "none"] = "localStorage"
    cookie_domain: Annotated[str, msgspec.Meta(pattern=r"^\.?[A-Za-z0-9.-]+\Z", max_length=253)] | None = None
    server_cookie: bool = False
