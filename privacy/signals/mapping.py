"""What a site takes each signal to mean: names and numbers of consent platforms → our purposes.

The defaults are those of docs/privacy.md. A site overrides them part by part; what it leaves out stays.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

import msgspec

from domain.consent import CONSENTABLE, Purpose
from privacy.signals.gpp import NAMES
from privacy.signals.tcf import PURPOSES
from privacy.signals.vendors import MOST

Names = Mapping[str, tuple[Purpose, ...]]
"""Lower-case names of a consent platform's categories or groups → the purposes that each stands for."""

CATEGORIES: Final[Names] = MappingProxyType(
    {
        "necessary": (),
        "strictly_necessary": (),
        "essential": (),
        "functional": (Purpose.FUNCTIONAL,),
        "functionality": (Purpose.FUNCTIONAL,),
        "preferences": (Purpose.FUNCTIONAL,),
        "analytics": (Purpose.ANALYTICS,),
        "statistics": (Purpose.ANALYTICS,),
        "performance": (Purpose.ANALYTICS,),
        "personalization": (Purpose.PERSONALIZATION,),
        "personalisation": (Purpose.PERSONALIZATION,),
        "advertising": (Purpose.ADVERTISING,),
        "marketing": (Purpose.ADVERTISING,),
        "targeting": (Purpose.ADVERTISING,),
        "sale_or_share": (Purpose.SALE_OR_SHARE,),
        "saleorshare": (Purpose.SALE_OR_SHARE,),
    }
)

GROUPS: Final[Names] = MappingProxyType(
    {
        "c0001": (),
        "c0002": (Purpose.ANALYTICS,),
        "c0003": (Purpose.FUNCTIONAL,),
        "c0004": (Purpose.ADVERTISING,),
        # Social media cookies: a yes to them is not a yes to advertising.
        "c0005": (),
    }
)

TCF: Final[Mapping[Purpose, tuple[int, ...]]] = MappingProxyType(
    {
        Purpose.ANALYTICS: (8, 9),
        Purpose.PERSONALIZATION: (5, 6),
        Purpose.ADVERTISING: (2, 3, 4, 7),
    }
)

CONSENT_MODE: Final[Mapping[Purpose, tuple[str, ...]]] = MappingProxyType(
    {
        Purpose.FUNCTIONAL: ("functionality_storage",),
        Purpose.ANALYTICS: ("analytics_storage",),
        Purpose.PERSONALIZATION: ("personalization_storage",),
        Purpose.ADVERTISING: ("ad_storage", "ad_user_data", "ad_personalization"),
    }
)
"""All of a purpose's keys must be granted. `security_storage` asks for nothing."""

_LONGEST_NAME: Final = 64
_MOST_NAMES: Final = 200
_MOST_CUSTOM: Final = 63
_THIRTEEN_MONTHS: Final = 396
_LONGEST_DAYS: Final = 3_650


class InvalidMapping(Exception):
    """A site's configuration cannot be taken; `path` names the field, from the outside in, and the text says why."""

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message)
        self.path = path


class SiteMapping(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """One site's configuration, as it is stored; `parse` checks it."""

    categories: dict[str, tuple[Purpose, ...]] = {}
    """Names of categories, over the default ones."""
    one_trust_groups: dict[str, tuple[Purpose, ...]] = {}
    """OneTrust's groups, over the default ones."""
    tcf_purposes: dict[Purpose, tuple[int, ...]] = {}
    """TCF purposes that must all be allowed, and storage (1) with them; an empty list takes a purpose out."""
    publisher_purposes: dict[Purpose, tuple[int, ...]] = {}
    """Custom purposes of the publisher's own segment that must all be allowed."""
    vendor_id: int | None = None
    """The site's id in the vendor list, if it relies on being a vendor."""
    legitimate_interest: bool = False
    """Whether a legitimate interest may stand for consent; implied consent in Canada too."""
    gpp_sections: tuple[str, ...] | None = None
    """Sections of a GPP string that count; none given: all. Global Privacy Control counts in any."""
    longest_days: int = _THIRTEEN_MONTHS
    """Age at which a TC string's consent has to be asked for anew."""


class Meaning:
    """A site's configuration with the defaults under it, as the sources are read by it. Keep one per configuration."""

    def __init__(self, site: SiteMapping) -> None:
        self.site: Final = site
        groups = {**GROUPS, **_lower(site.one_trust_groups)}
        # Sites write group ids where names of categories belong, and RudderStack's ids are either.
        self.categories: Final[Names] = {**groups, **CATEGORIES, **_lower(site.categories)}
        self.groups: Final[Names] = groups
        self.tcf: Final = {purpose: ids for purpose, ids in {**TCF, **site.tcf_purposes}.items() if ids}
        self.publisher: Final = {purpose: ids for purpose, ids in site.publisher_purposes.items() if ids}
        self.longest: Final = timedelta(days=site.longest_days)

    def counts(self, section: str) -> bool:
        """Tell whether a GPP section of this name counts for the site."""
        return self.site.gpp_sections is None or section in self.site.gpp_sections

    def unmapped(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of a consent platform's names that say nothing here: an answer under them is passed over."""
        return tuple(name for name in names if not self.categories.get(name.strip().lower()))


def parse(document: Any) -> SiteMapping:
    """Read a stored or sent configuration. Raises `InvalidMapping`."""
    try:
        site = msgspec.convert(document, SiteMapping)
    except msgspec.ValidationError as error:
        raise InvalidMapping(str(error)) from error
    _check_names("categories", site.categories)
    _check_names("oneTrustGroups", site.one_trust_groups)
    _check_purposes("tcfPurposes", site.tcf_purposes, PURPOSES)
    _check_purposes("publisherPurposes", site.publisher_purposes, range(1, _MOST_CUSTOM + 1))
    if site.vendor_id is not None and not 1 <= site.vendor_id <= MOST:
        raise InvalidMapping(f"A vendor id is a number from 1 to {MOST}.", "vendorId")
    if not 1 <= site.longest_days <= _LONGEST_DAYS:
        raise InvalidMapping(f"Consent may count for 1 to {_LONGEST_DAYS} days.", "longestDays")
    unknown = sorted(set(site.gpp_sections or ()) - set(NAMES.values()))
    if unknown:
        raise InvalidMapping(
            f"There is no GPP section {unknown[0]}; known are {', '.join(NAMES.values())}.", "gppSections"
        )
    return site


def _check_names(field: str, names: Mapping[str, tuple[Purpose, ...]]) -> None:
    if len(names) > _MOST_NAMES:
        raise InvalidMapping(f"At most {_MOST_NAMES} names.", field)
    if len(_lower(names)) < len(names):
        raise InvalidMapping("Two names differ only in case or in spaces around them.", field)
    for name, purposes in names.items():
        if not 0 < len(name.strip()) <= _LONGEST_NAME:
            raise InvalidMapping(f"A name has 1 to {_LONGEST_NAME} characters.", field)
        _check_consentable(field, purposes)


def _check_purposes(field: str, purposes: Mapping[Purpose, tuple[int, ...]], known: range) -> None:
    _check_consentable(field, purposes)
    for ids in purposes.values():
        if not set(ids) <= set(known):
            raise InvalidMapping(f"Purposes are numbers from {known[0]} to {known[-1]}.", field)


def _check_consentable(field: str, purposes: Iterable[Purpose]) -> None:
    if not set(purposes) <= set(CONSENTABLE):
        raise InvalidMapping("What is necessary needs no consent, so nothing is mapped to it.", field)


def _lower(names: Mapping[str, tuple[Purpose, ...]]) -> dict[str, tuple[Purpose, ...]]:
    return {name.strip().lower(): purposes for name, purposes in names.items()}


DEFAULT: Final = Meaning(SiteMapping())
"""What signals mean to a site that has said nothing."""
