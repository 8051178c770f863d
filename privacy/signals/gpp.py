"""IAB Tech Lab's GPP string: a header that lists sections, and one text for each of them.

Format: IAB Tech Lab, "Global Privacy Platform", Consent String Specification, version 1.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import msgspec

from privacy.signals import tcf
from privacy.signals.bits import Bits, check_text
from privacy.signals.canada import CanadaString, decode_canada
from privacy.signals.refusal import Reason, Refusal
from privacy.signals.states import LAYOUTS, StateSection, decode_state
from privacy.signals.tcf import TCString
from privacy.signals.usp import PrivacyString, decode_privacy
from privacy.signals.vendors import MOST, fibonacci_entries

Section = TCString | CanadaString | PrivacyString | StateSection

_TYPE: Final = 3
_VERSION: Final = 1
_MOST_SECTIONS: Final = 64

_STATE_IDS: Final = (
    *("usnat", "usca", "usva", "usco", "usut", "usct", "usfl", "usmt", "usor", "ustx", "usde"),
    *("usia", "usne", "usnh", "usnj", "ustn", "usmn", "usmd", "usin", "usky", "usri"),
)
"""In the order of their ids, from 7 on."""

NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {2: "tcfeuv2", 5: "tcfcav1", 6: "uspv1", **dict(enumerate(_STATE_IDS, 7))}
)
"""Section id → name, as the specification registers them."""

_DECODERS: Final[Mapping[str, Callable[[str], Section]]] = MappingProxyType(
    {
        "tcfeuv2": tcf.decode,
        "tcfcav1": decode_canada,
        "uspv1": decode_privacy,
        **{name: partial(decode_state, name) for name in LAYOUTS},
    }
)


class GppString(msgspec.Struct, frozen=True):
    """The sections of a string. Those in `unknown` have ids that are not registered here; nothing is known of them."""

    section_ids: tuple[int, ...]
    sections: Mapping[str, Section]
    unknown: tuple[int, ...] = ()

    @property
    def gpc(self) -> bool:
        """True when any section tells of Global Privacy Control."""
        return any(isinstance(section, StateSection) and section.gpc is True for section in self.sections.values())


def decode(text: object) -> GppString:
    """Read a GPP string with all of its sections. Raises `Refusal`: a string is good as a whole or not at all."""
    header, *texts = check_text(text).split("~")
    ids = decode_header(header)
    if len(ids) != len(texts):
        raise Refusal(Reason.SECTIONS)
    named = [(NAMES[id_], text) for id_, text in zip(ids, texts, strict=True) if id_ in NAMES]
    sections = {name: _DECODERS[name](text) for name, text in named}
    return GppString(ids, MappingProxyType(sections), tuple(id_ for id_ in ids if id_ not in NAMES))


def decode_header(text: str) -> tuple[int, ...]:
    """Read the ids of the sections that a header lists, in their order. Raises `Refusal`."""
    bits = Bits(text)
    if bits.number(6) != _TYPE:
        raise Refusal(Reason.CORE_NOT_FIRST)
    if bits.number(6) != _VERSION:
        raise Refusal(Reason.UNKNOWN_VERSION)
    ids: list[int] = []
    for first, last in fibonacci_entries(bits, MOST):
        if len(ids) + last - first >= _MOST_SECTIONS:
            raise Refusal(Reason.SECTIONS)
        ids.extend(range(first, last + 1))
    bits.end()
    return tuple(ids)
