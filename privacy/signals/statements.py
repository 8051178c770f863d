"""From what a decoded string holds to what it says about our purposes, by a site's meaning."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from domain.consent import Purpose, State, Statements
from privacy.signals.canada import CanadaString, permits_canada
from privacy.signals.gpp import GppString, Section
from privacy.signals.mapping import Meaning
from privacy.signals.refusal import Reason, Refusal
from privacy.signals.states import refused
from privacy.signals.tcf import STORAGE, PublisherConsent, TCString, check_age, check_policy, permits
from privacy.signals.usp import PrivacyString

SALE: Final = frozenset({Purpose.ADVERTISING, Purpose.SALE_OR_SHARE})
"""What the law of the United States lets people opt out of; those signals only ever refuse."""


def tcf_statements(string: TCString, meaning: Meaning, at: datetime) -> Statements:
    """Tell what a TC string grants, and refuse the rest of what is mapped to it.

    Nothing is granted without purpose 1: every event of ours is kept under an id. Raises `Refusal` for a string that
    policy no longer allows at `at`.
    """
    check_policy(string, at, meaning.longest)
    site = meaning.site

    def may(purpose: int) -> bool:
        return permits(string, purpose, vendor=site.vendor_id, by_interest=site.legitimate_interest)

    return _framework_statements(may, string.publisher, meaning)


def gpp_statements(string: GppString, applicable: Iterable[int], meaning: Meaning, at: datetime) -> Statements:
    """Weigh all sections that count for the site: what one refuses, none can grant.

    `applicable` are the ids of those that are said to apply. Raises `Refusal` where one of them is missing, or is no
    longer allowed.
    """
    if not set(applicable) <= set(string.section_ids):
        raise Refusal(Reason.SECTION_MISSING)
    statements: dict[Purpose, State] = {}
    sections = [section for name, section in string.sections.items() if meaning.counts(name)]
    for said in (
        *(_section_statements(section, meaning, at) for section in sections),
        dict.fromkeys(SALE, State.DENIED) if string.unknown or string.gpc else {},
    ):
        for purpose, state in said.items():
            if statements.get(purpose) is not State.DENIED:
                statements[purpose] = state
    return statements


def privacy_statements(string: PrivacyString) -> Statements:
    """Tell whether a US Privacy string refuses the sale."""
    return {Purpose.SALE_OR_SHARE: State.DENIED} if string.refuses_sale else {}


def _section_statements(section: Section, meaning: Meaning, at: datetime) -> Statements:
    match section:
        case TCString():
            return tcf_statements(section, meaning, at)
        case CanadaString():
            return _canada_statements(section, meaning, at)
        case PrivacyString():
            return privacy_statements(section)
        case _:
            return dict.fromkeys(refused(section), State.DENIED)


def _canada_statements(string: CanadaString, meaning: Meaning, at: datetime) -> Statements:
    check_age(string.created, string.last_updated, at, meaning.longest)
    site = meaning.site

    def may(purpose: int) -> bool:
        return permits_canada(string, purpose, vendor=site.vendor_id, by_implication=site.legitimate_interest)

    return _framework_statements(may, string.publisher, meaning)


def _framework_statements(
    may: Callable[[int], bool], publisher: PublisherConsent | None, meaning: Meaning
) -> Statements:
    stores = may(STORAGE)
    granted = {purpose: stores and all(map(may, ids)) for purpose, ids in meaning.tcf.items()}
    custom = publisher.custom_consents if publisher else frozenset()
    for purpose, ids in meaning.publisher.items():
        granted[purpose] = granted.get(purpose, True) and stores and custom.issuperset(ids)
    return {purpose: State.GRANTED if allowed else State.DENIED for purpose, allowed in granted.items()}
