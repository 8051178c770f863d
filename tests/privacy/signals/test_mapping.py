from typing import Any

import pytest

from domain.consent import Purpose
from privacy.signals.mapping import DEFAULT, InvalidMapping, Meaning, SiteMapping, parse

F, A, P, AD = Purpose.FUNCTIONAL, Purpose.ANALYTICS, Purpose.PERSONALIZATION, Purpose.ADVERTISING


def test_the_defaults() -> None:
    assert DEFAULT.tcf == {A: (8, 9), P: (5, 6), AD: (2, 3, 4, 7)}
    assert DEFAULT.groups == {"c0001": (), "c0002": (A,), "c0003": (F,), "c0004": (AD,), "c0005": ()}
    assert DEFAULT.categories["marketing"] == (AD,)
    assert DEFAULT.categories["c0002"] == (A,)
    assert DEFAULT.publisher == {}
    assert DEFAULT.counts("usnat")
    assert (DEFAULT.site.vendor_id, DEFAULT.site.legitimate_interest) == (None, False)


def test_a_site_s_own_names_come_first() -> None:
    categories = {" Telemetry ": ["analytics"], "marketing": []}
    meaning = Meaning(parse({"categories": categories, "oneTrustGroups": {"C0009": ["functional"]}}))
    assert meaning.categories["telemetry"] == (A,)
    assert meaning.categories["marketing"] == ()
    assert meaning.groups["c0009"] == (F,)
    assert meaning.unmapped(("TELEMETRY", "marketing", "C0009", "whatever", "necessary")) == (
        "marketing",
        "whatever",
        "necessary",
    )


def test_a_purpose_can_be_taken_out_of_the_framework() -> None:
    assert AD not in Meaning(parse({"tcfPurposes": {"advertising": []}})).tcf
    assert Meaning(parse({"tcfPurposes": {"functional": [11]}})).tcf[F] == (11,)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"vendorId": 0}, ("vendorId",)),
        ({"vendorId": 65_536}, ("vendorId",)),
        ({"longestDays": 0}, ("longestDays",)),
        ({"gppSections": ["usxx"]}, ("gppSections",)),
        ({"categories": {"": ["analytics"]}}, ("categories",)),
        ({"categories": {"x" * 65: ["analytics"]}}, ("categories",)),
        ({"categories": {"Ads": ["analytics"], " ads": ["advertising"]}}, ("categories",)),
        ({"categories": {str(number): [] for number in range(201)}}, ("categories",)),
        ({"oneTrustGroups": {"C1": ["necessary"]}}, ("oneTrustGroups",)),
        ({"tcfPurposes": {"necessary": [1]}}, ("tcfPurposes",)),
        ({"tcfPurposes": {"analytics": [12]}}, ("tcfPurposes",)),
        ({"publisherPurposes": {"functional": [64]}}, ("publisherPurposes",)),
        ({"categories": {"ads": ["marketing"]}}, ()),
        ({"vendorId": "7"}, ()),
        ({"vendor": 7}, ()),
        ([], ()),
    ],
)
def test_a_faulty_configuration_is_refused_where_it_is_faulty(document: Any, path: tuple[str, ...]) -> None:
    with pytest.raises(InvalidMapping) as refused:
        parse(document)
    assert refused.value.path == path
    assert str(refused.value)


def test_what_is_stored_reads_back() -> None:
    assert parse({}) == SiteMapping()
