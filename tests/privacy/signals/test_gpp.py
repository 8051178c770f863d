from typing import Any

import pytest

from privacy.signals import gpp
from privacy.signals.canada import CanadaString
from privacy.signals.gpp import NAMES, decode, decode_header
from privacy.signals.refusal import Reason, Refusal
from privacy.signals.states import LAYOUTS, StateSection
from privacy.signals.tcf import TCString
from tests.privacy.signals import writing as w
from tests.privacy.signals.vectors import GPP, STATES, tcf_fields

TC = w.tc_string(consents=[1])


def fields_of(section: gpp.Section) -> dict[str, Any]:
    if isinstance(section, TCString):
        return tcf_fields(section)
    assert isinstance(section, StateSection)
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in section.fields.items()}
    return plain if section.gpc is None else {**plain, "Gpc": section.gpc}


@pytest.mark.parametrize("vector", GPP["valid"], ids=lambda vector: vector["name"])
def test_reference_strings_are_read_whole(vector: dict[str, Any]) -> None:
    string = decode(vector["string"])
    assert list(string.section_ids) == vector["sectionIds"]
    for fields in vector["expected"].values():
        fields.pop("segments", None)
        layout = fields.pop("layout", None)
        if layout:
            lists = fields["SensitiveDataProcessing"], fields["KnownChildSensitiveDataConsents"]
            assert layout == "+".join(str(len(each)) for each in lists)
    assert {name: fields_of(section) for name, section in string.sections.items()} == vector["expected"]


@pytest.mark.parametrize("vector", STATES["states"], ids=lambda vector: vector["string"])
def test_every_section_of_the_united_states_is_read(vector: dict[str, Any]) -> None:
    string = decode(vector["string"])
    assert string.section_ids == (vector["id"],)
    assert fields_of(string.sections[vector["section"]]) == vector["fields"]


def test_the_vectors_name_every_section() -> None:
    assert {vector["section"] for vector in STATES["states"]} == set(LAYOUTS)
    assert set(LAYOUTS) | {"tcfeuv2", "tcfcav1", "uspv1"} == set(NAMES.values())


@pytest.mark.parametrize("vector", STATES["canada"], ids=lambda vector: vector["string"])
def test_canada_s_section_is_read(vector: dict[str, Any]) -> None:
    section = decode(vector["string"]).sections["tcfcav1"]
    assert isinstance(section, CanadaString)
    assert sorted(section.express_consents) == vector["express"]
    assert sorted(section.implied_consents) == vector["implied"]
    for found, expected in (
        (section.vendor_express_consents, vector["vendorExpress"]),
        (section.vendor_implied_consents, vector["vendorImplied"]),
    ):
        assert [vendor for vendor in range(1_000) if vendor in found] == expected
    assert [[each.purpose, each.type, [id_ for run in each.vendors for id_ in range(run[0], run[1] + 1)]]
            for each in section.restrictions] == vector["restrictions"]  # fmt: skip
    disclosed = section.disclosed_vendors
    assert [vendor for vendor in range(1_000) if disclosed and vendor in disclosed] == vector["disclosed"]


def test_a_canadian_string_of_fixed_ranges_is_read_too() -> None:
    core = w.number(1, 6) + w.tc_core(version=2)[6:138] + "0" + w.ids([], 12) + w.ids([1, 8], 24) + w.ids([], 24)
    core += w.ranges((3, 40), most=40) + w.vendors() + w.restrictions()
    section = decode(f"{w.gpp_header(5)}~{w.pack(core)}").sections["tcfcav1"]
    assert isinstance(section, CanadaString)
    assert section.vendor_express_consents.ranges == ((3, 40),)


@pytest.mark.parametrize("vector", GPP["header_only"], ids=lambda vector: vector["header"])
def test_headers_list_their_sections(vector: dict[str, Any]) -> None:
    assert list(decode_header(vector["header"])) == vector["sectionIds"]


@pytest.mark.parametrize("vector", GPP["malformed"], ids=lambda vector: vector["name"])
def test_malformed_strings_are_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        decode(vector["string"])


def state(*values: int, version: int = 1) -> str:
    return w.pack(w.number(version, 6) + "".join(w.number(value, 2) for value in values))


USCA = state(*[1] * 20)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, Reason.NOT_TEXT),
        ("D" * 65_536, Reason.TOO_LONG),
        ("DBABM", Reason.SECTIONS),
        (f"{w.gpp_header(6)}~1YNN~1YNN", Reason.SECTIONS),
        (f"{w.gpp_header(6)}~", Reason.EMPTY),
        (w.pack(w.number(2, 6) + w.number(1, 6) + w.number(0, 12)), Reason.CORE_NOT_FIRST),
        (w.pack(w.number(3, 6) + w.number(2, 6) + w.number(0, 12)), Reason.UNKNOWN_VERSION),
        (w.pack(w.number(3, 6) + w.number(1, 6) + w.number(4_095, 12) + "0" + w.fibonacci(2)), Reason.TRUNCATED),
        (w.pack(w.number(3, 6) + w.number(1, 6) + w.number(1, 12) + "1" + w.fibonacci(1) + w.fibonacci(60_000)),
         Reason.SECTIONS),
        (w.pack(w.number(3, 6) + w.number(1, 6) + w.number(1, 12) + "0" + "0" * 90 + "11"), Reason.RANGE),
        (f"{w.gpp_header(8)}~{USCA}.YA.YA", Reason.DUPLICATE_SEGMENT),
        (f"{w.gpp_header(8)}~{USCA}.gA", Reason.UNKNOWN_SEGMENT),
        (f"{w.gpp_header(8)}~{USCA}.", Reason.TRUNCATED),
        (f"{w.gpp_header(8)}~{state(*[1] * 17)}", Reason.TRUNCATED),
        (f"{w.gpp_header(8)}~{state(*[1] * 19, 3)}", Reason.VALUE),
        (f"{w.gpp_header(8)}~{state(*[1] * 20, version=2)}", Reason.UNKNOWN_VERSION),
        (f"{w.gpp_header(8)}~{USCA}AB", Reason.TRAILING),
        (f"{w.gpp_header(9)}~{state(*[1] * 17)}.YA", Reason.UNKNOWN_SEGMENT),
        (f"{w.gpp_header(26)}~{state(*[1] * 9)}.{w.pack('01' * 5)}", Reason.TRUNCATED),
        (f"{w.gpp_header(2)}~IAAA", Reason.CORE_NOT_FIRST),
        (f"{w.gpp_header(5)}~{w.pack(w.number(2, 6) + '0' * 300)}", Reason.UNKNOWN_VERSION),
    ],
)  # fmt: skip
def test_each_fault_has_its_reason(text: object, reason: Reason) -> None:
    with pytest.raises(Refusal) as refused:
        decode(text)
    assert refused.value.reason is reason


def test_sections_of_the_future_are_named_and_not_read() -> None:
    string = decode(f"{w.gpp_header(2, 40)}~{TC}~whatever it says")
    assert string.unknown == (40,)
    assert list(string.sections) == ["tcfeuv2"]


@pytest.mark.parametrize(("chars", "layout"), [(10, 12), (11, 12), (12, 16)])
def test_the_length_tells_the_layout_of_version_1(chars: int, layout: int) -> None:
    many = {10: 27, 11: 27, 12: 32}[chars]
    text = (w.pack(w.number(1, 6) + "01" * many) + "AA")[:chars]
    section = decode(f"{w.gpp_header(7)}~{text}").sections["usnat"]
    assert isinstance(section, StateSection)
    assert len(section.fields["SensitiveDataProcessing"]) == layout  # type: ignore[arg-type]  # a list in this layout
