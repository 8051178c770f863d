"""Why a signal was not read: the one way in which every decoder says no."""

from enum import StrEnum


class Reason(StrEnum):
    """What is wrong, in words: shown to the caller and counted, and never a value."""

    EMPTY = "empty"
    NOT_TEXT = "not a text"
    TOO_LONG = "too long"
    SHAPE = "not of the expected shape"
    ALPHABET = "holds a character that its alphabet does not have"
    TRUNCATED = "ends too early"
    TRAILING = "holds more than its fields"
    CORE_NOT_FIRST = "does not begin with its core"
    DUPLICATE_SEGMENT = "holds a segment twice"
    UNKNOWN_SEGMENT = "holds a segment that its kind does not have"
    OBSOLETE_VERSION = "of a version that is no longer valid"
    UNKNOWN_VERSION = "of an unknown version"
    RANGE = "holds a range that cannot be"
    OVERLAP = "holds ranges that overlap"
    RESTRICTION = "holds an undefined restriction"
    VALUE = "holds an undefined value"
    SECTIONS = "does not have the sections that its header lists"
    SECTION_MISSING = "lacks a section that is said to apply"
    GLOBAL_SCOPE = "not of this site alone"
    OBSOLETE_POLICY = "given under a policy that is no longer valid"
    UNDISCLOSED = "does not say which vendors were disclosed"
    EXPIRED = "too old"
    FUTURE = "of the future"


class Refusal(Exception):
    """A signal that cannot be taken for consent; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
