"""Personal data inside free text, replaced by what it was: `[email]`, `[phone]`, `[card]`, `[iban]`, `[ssn]`, `[ip]`.

Cheap tests decide first whether a text can hold anything at all; then candidates are found, and checked, so that order
numbers, versions, prices and dates stay. Names and postal addresses are not found: free text is opt-in per field.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

# A pattern that starts with a plain set of characters, not a repeated one, is searched for at the speed of C; what must
# not stand before is asked one character later, so `.` in such a look-behind is the character just matched.
_MAIL_HOST: Final = re.compile(r"(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_IPV6: Final = re.compile(r"[0-9A-Fa-f:](?<![\w:.].)[0-9A-Fa-f:]{2,38}(?:\.[0-9]{1,3}){0,3}(?![\w:])")
_IPV4: Final = re.compile(r"[0-9](?<![\w.\-].)[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?!\.?[\w-])")
_SEVEN_DIGITS: Final = re.compile(r"[0-9](?:[ ().\-/]{0,2}[0-9]){6}")
_NINE_DIGITS: Final = re.compile(r"[0-9][0-9]{8}")
# What a card, a number or an account of the United States lies in; signs between its digits are three at most.
_STRETCH: Final = re.compile(r"[0-9](?:[ ().\-/]{0,3}[0-9]){6,}")
_SSN: Final = re.compile(r"[0-8](?<![\w-].)(?!00|66)[0-9]{2}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-])")
_IBAN_CHECK: Final = re.compile(r"[0-9][0-9](?<=[A-Za-z]{2}..)(?<![A-Za-z0-9]....)(?=[ -]?[A-Za-z0-9]{4})")
_CARD_START: Final = re.compile(r"[2-6](?<!\w.)(?<![0-9][.,].)[0-9]{3}(?=(?:[ -]?[0-9]){9})")
_PHONE: Final = re.compile(
    r"""[+(0-9](?<![\w+.\-(].)(?<!/[(0-9])(?:
        (?<=\+)[0-9](?:[ ().\-/]{0,2}[0-9]){6,14}(?![.,-]?[0-9])                # +44 20 7946 0958
      | (?:(?:(?<=\()[2-9][0-9]{2}\)[ .-]?
          | (?:(?<=[2-9])|(?<=1)[ .-][2-9])[0-9]{2}[ .-]|(?<=1)[ .-]\([2-9][0-9]{2}\)[ .-]?)
        [0-9]{3}[ .-][0-9]{4}                                               # (650) 555-1212, 1-650-555-1212
      | (?:(?<=\()0|(?<=0)(?<![0-9][ -]0))[1-9][0-9]{0,3}\)?
        (?P<gap>[ /.-])[0-9]{2,8}(?:(?P=gap)[0-9]{2,4}){0,3}                    # 06 12 34 56 78, 030/1234567
      | (?<=0)(?<![0-9][ -]0)0[1-9][0-9]{0,2}(?:[ ]\(?[0-9]{1,8}\)?){1,5}           # 0049 151 2345 6789
        )(?![.,/-]?[0-9])
    )""",
    re.VERBOSE,
)
_CUED_PHONE: Final = re.compile(
    r"(?P<cue>(?<![^\W_])(?:call(?:ed|ing)?|dial(?:l?ed)?|phoned?|tel|telephone|mobile|cell|whatsapp|sms|fax)"
    r"(?![^\W_])[\W_]{0,3}(?:(?:me|us|is|no|nr|number|at|on)\b\W{1,3}){0,3})[0-9]{9,15}(?![0-9])",
    re.IGNORECASE,
)
_NINE_SSN_DIGITS: Final = re.compile(r"[0-8](?<![\w-].)[0-9]{2}(?P<gap>[ -]?)[0-9]{2}(?P=gap)[0-9]{4}(?![\w-])")
_SSN_WORD: Final = re.compile(
    r"(?<![^\W_])(?:ssn|social security(?: number| no\.?)?)\W{0,3}(?:(?:is|no|nr)\W{1,3})?$", re.IGNORECASE
)
# Letters that stand for ASCII ones in what people paste: wide forms, other digits, other spaces and dashes.
_FOLDED: Final = {
    **{wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)},
    **{first + digit: ord("0") + digit for first in (0x0660, 0x06F0, 0x0966) for digit in range(10)},
    **dict.fromkeys((0x00A0, *range(0x2000, 0x200B), 0x202F, 0x3000), ord(" ")),
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212), ord("-")),
}
_FOLDABLE: Final = re.compile(f"[{''.join(map(chr, _FOLDED))}]")
_BARE_IDENTIFIER: Final = re.compile(
    r"\s*(?:\+[0-9 ().\-/]{7,25}|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\s*"
)
# "release 1.2.3.4", or "Chrome/1.2.3.4"; but not "/from/1.2.3.4".
_VERSION_WORD: Final = re.compile(
    r"(?:(?:version|build|release|firmware|driver|v)\W{0,3}|(?<![\w/])[^\W\d]\w{0,30}/)$", re.IGNORECASE
)

_MAILBOX_SIGNS: Final = "_.+-%'!#$*^~{}"
_ODD_MAILBOX_SIGNS: Final = "/=?&`|"
_LONGEST_MAILBOX: Final = 256
_REACH: Final = 8
"""Characters beyond the last digit that a pattern below looks at, at most."""
SHORT: Final = 64
"""Characters of a value that is remembered."""
_FEWEST_TRUNK_DIGITS: Final = 9
_FEWEST_PREFIXED_DIGITS: Final = 11
_FEWEST_ADDRESS_GROUPS: Final = 3
_CARD_LENGTHS: Final = {"2": (16,), "3": (15, 14, 16), "4": (16, 19, 13), "5": (16,), "6": (16, 19, 18, 17)}
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
# Lengths from the public IBAN registry.
_IBAN_LENGTHS: Final = {
    code: int(length)
    for length, codes in {
        "15": "NO", "16": "BE", "18": "DK FI FO GL NL SD", "19": "MK SI", "20": "AT BA EE KZ LT LU MN XK",
        "21": "CH HR LI LV", "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR",
        "27": "BI DJ FR GR IT MC MR SM", "28": "AL AZ BY CY DO GT HU LB NI PL SV", "29": "BR EG PS QA UA",
        "30": "JO KW MU YE", "31": "MT SC", "32": "LC", "33": "RU",
    }.items()
    for code in codes.split()
}  # fmt: skip

Span = tuple[int, int]
Measure = Callable[[str, re.Match[str]], Span | None]


def scrub(text: str) -> str:
    """Replace what is found in `text`; a text without any comes back as it is. Linear in its length."""
    if not text.isascii() and _FOLDABLE.search(text):
        folded = text.translate(_FOLDED)
        found = _scrub(folded)
        return text if found == folded else found
    return _scrub(text)


def _scrub(text: str) -> str:
    text = scrub_emails(text)
    if text.count(":") >= 2:  # noqa: PLR2004 - the shortest IPv6 address has two colons
        text = _IPV6.sub(_mark_ipv6, text)
    if text.count(".") >= 3:  # noqa: PLR2004 - an IPv4 address has three dots
        text = _IPV4.sub(_mark_ipv4, text)
    return replace_numbers(text) if may_hold_number(text) else text


def may_hold_number(text: str) -> bool:
    """Tell whether `replace_numbers` could find anything, by looking around the digits: order numbers are common."""
    if _SEVEN_DIGITS.search(text) is None:
        return False
    lowered = text.lower()
    if "ssn" in lowered or "social" in lowered or _IBAN_CHECK.search(text):
        return True
    for stretch in _STRETCH.finditer(text):
        start, end = max(0, stretch.start() - 1), stretch.end() + _REACH
        if (
            _PHONE.search(text, start, end)
            or _CARD_START.search(text, start, end)
            or _SSN.search(text, start, end)
            or _NINE_DIGITS.search(text, start, end)
        ):
            return True
    return False


def replace_numbers(text: str) -> str:
    """Replace accounts, cards, social security and phone numbers."""
    text = _replace(text, _IBAN_CHECK, _measure_iban, "[iban]")
    text = _replace(text, _CARD_START, _measure_card, "[card]")
    if "-" in text:
        text = _SSN.sub("[ssn]", text)
    lowered = text.lower()
    if "ssn" in lowered or "social" in lowered:
        text = _NINE_SSN_DIGITS.sub(_mark_ssn, text)
    text = _PHONE.sub(_mark_phone, text)
    if _NINE_DIGITS.search(text) is None:
        return text
    return _CUED_PHONE.sub(r"\g<cue>[phone]", text)


def may_identify(text: str) -> bool:
    """Tell whether a plain value is to be scrubbed: an e-mail address in it, or as a whole like a number or address.

    Numbers count with their country code only, and only alone, so that ids and prices stay.
    """
    return short_may_identify(text) if len(text) <= SHORT else _may_identify(text)


def _may_identify(text: str) -> bool:
    if not text.isascii():
        text = text.translate(_FOLDED)
    if "@" in text or "%40" in text:
        return True
    # Most values hold none of these signs, and looking for them costs a fifth of the match.
    return ("+" in text or ":" in text or text.count(".") == 3) and _BARE_IDENTIFIER.fullmatch(text) is not None  # noqa: PLR2004 - an IPv4 address has three dots


# The plain values of a shop are few and come again and again; remembering an answer costs a quarter of finding it.
short_may_identify = lru_cache(maxsize=16_384)(_may_identify)


def scrub_emails(text: str) -> str:
    """Replace e-mail addresses only, also with an escaped at-sign."""
    return _replace(text, _MAIL_HOST, _measure_email, "[email]") if "@" in text or "%40" in text else text


def _mark_ipv6(match: re.Match[str]) -> str:
    found = match[0]
    try:
        ip_address(found)
    except ValueError:
        return found
    groups = sum(1 for group in found.split(":") if group)
    return "[ip]" if groups >= _FEWEST_ADDRESS_GROUPS else found


def _mark_ipv4(match: re.Match[str]) -> str:
    found = match[0]
    is_address = all(int(part) <= 255 for part in found.split("."))  # noqa: PLR2004 - an octet
    if not is_address or found.endswith(".0.0"):
        # "141.0.0.0" is how browsers write their version; no person's address ends so.
        return found
    start = match.start()
    return found if _VERSION_WORD.search(match.string, max(0, start - 40), start) else "[ip]"


def _mark_ssn(match: re.Match[str]) -> str:
    # Without dashes only its name tells it from any other number.
    return "[ssn]" if _SSN_WORD.search(match.string, max(0, match.start() - 40), match.start()) else match[0]


def _mark_phone(match: re.Match[str]) -> str:
    found = match[0]
    digits = sum(map(str.isdigit, found))
    # Fewer digits behind a trunk zero are a date: 01.02.2024.
    if match["gap"] and digits < _FEWEST_TRUNK_DIGITS:
        return found
    return found if found.startswith("00") and digits < _FEWEST_PREFIXED_DIGITS else "[phone]"


def _replace(text: str, pattern: re.Pattern[str], measure: Measure, mark: str) -> str:
    """Replace each stretch that `measure` finds around a match of `pattern`."""
    pieces: list[str] = []
    copied = at = 0
    while match := pattern.search(text, at):
        at = match.end()
        if found := measure(text, match):
            start, end = found
            # What has been replaced already is not taken twice.
            pieces += text[copied : max(start, copied)], mark
            copied = at = end
    return "".join([*pieces, text[copied:]]) if pieces else text


def _measure_email(text: str, host: re.Match[str]) -> Span | None:
    # Signs that are legal in a mailbox but mostly end the text before it count only when it would be empty.
    start = _start_of_mailbox(text, host.start(), _MAILBOX_SIGNS)
    if start == host.start():
        start = _start_of_mailbox(text, start, _MAILBOX_SIGNS + _ODD_MAILBOX_SIGNS)
    return (start, host.end()) if start < host.start() else None


def _start_of_mailbox(text: str, end: int, signs: str) -> int:
    first = max(0, end - _LONGEST_MAILBOX)
    while end > first and (text[end - 1].isalnum() or text[end - 1] in signs):
        end -= 1
    return end


def _measure_card(text: str, first: re.Match[str]) -> Span | None:
    start = first.start()
    digits: list[int] = []
    ends: list[int] = []
    for position in range(start, min(len(text), start + 38)):
        character = text[position]
        if "0" <= character <= "9":
            digits.append(int(character))
            ends.append(position + 1)
        elif character not in " -" or text[position - 1] in " -":
            break
    for length in _CARD_LENGTHS[text[start]]:
        if length <= len(digits) and _stands_alone(text, ends[length - 1]) and _passes_luhn(digits[:length]):
            return start, ends[length - 1]
    return None


def _passes_luhn(digits: list[int]) -> bool:
    return (sum(digits[-1::-2]) + sum(_DOUBLED[digit] for digit in digits[-2::-2])) % 10 == 0


def _measure_iban(text: str, check: re.Match[str]) -> Span | None:
    start = check.start() - 2
    length = _IBAN_LENGTHS.get(text[start : start + 2].upper(), 0)
    found: list[str] = []
    for position in range(start, min(len(text), start + 2 * length)):
        character = text[position]
        if character.isascii() and character.isalnum():
            found.append(character)
            if len(found) == length:
                end = position + 1
                return (start, end) if _passes_mod97(found) and _stands_alone(text, end) else None
        elif character not in " -" or text[position - 1] in " -":
            break
    return None


def _passes_mod97(iban: list[str]) -> bool:
    return int("".join(str(int(each, 36)) for each in iban[4:] + iban[:4])) % 97 == 1


def _stands_alone(text: str, end: int) -> bool:
    return end == len(text) or not text[end].isalnum()
