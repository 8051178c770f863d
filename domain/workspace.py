"""What the owner of a workspace has set for all of it."""

from typing import Annotated, Any, Final

import msgspec

from domain.identity import IdentityRules

SMALLEST_SHOWN: Final = 20
"""Counts of fewer people are hidden, unless a workspace says otherwise."""

Text = Annotated[str, msgspec.Meta(max_length=500)]


class Controller(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers for the data (GDPR, articles 13 and 30)."""

    name: Text = ""
    address: Text = ""
    contact: Text = ""
    representative: Text = ""
    """Of a controller outside of the Union."""
    protection_officer: Text = ""


class WorkspaceSettings(msgspec.Struct, frozen=True):
    """The settings of one workspace. Names that this version does not know are left alone."""

    k_threshold: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = SMALLEST_SHOWN
    controller: Controller = Controller()
    consent: dict[str, Any] = {}
    """What signals of consent mean to the site: a document of `privacy.signals.mapping`."""
    identity: IdentityRules = IdentityRules()
    """Who is who."""
