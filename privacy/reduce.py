"""Coarser forms of what would single a person out: network address, user agent, web address."""

import re
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import unquote, unquote_plus

from ua_parser import parse

from privacy.scrub import may_identify, scrub, scrub_emails

_IPV4_CUT: Final = 32 - 24
_IPV6_CUT: Final = 128 - 48
_OCTETS: Final = frozenset(map(str, range(256)))
_FOUR: Final = 4
_LONGEST_AGENT: Final = 512
_SHORT: Final = 128
AGENT_PARTS: Final = ("browser", "major", "os")
"""What is left of a user agent."""
CAMPAIGN: Final = ("utm_*",)
"""Query parameters that stay in a web address where the plan does not say otherwise."""

_NINE_DIGITS: Final = re.compile(r"[0-9][0-9]{8}")
_WORD: Final = re.compile(r"[A-Za-z_]+=[A-Za-z_]*")
_CUED_SEGMENT: Final = re.compile(r"(?i)(/(?:tel|phone|call|mobile|sms|whatsapp)/)[0-9]{9,15}(?![^/])")


def reduce_address(text: str) -> str | None:
    """Cut an address to its network: /24 of IPv4, /48 of IPv6. None for what is not an address."""
    address = text.strip()
    # Nearly every address is of this form, and reading it by `ipaddress` costs ten times as much.
    octets = address.split(".", _FOUR)
    if len(octets) == _FOUR and _OCTETS.issuperset(octets):
        return f"{octets[0]}.{octets[1]}.{octets[2]}.0"
    try:
        return _reduce_ipv6(IPv6Address(address))
    except ValueError:
        return None


def _reduce_ipv6(address: IPv6Address) -> str:
    # A 6to4 network is an IPv4 address written in hexadecimal: its /48 would keep all of it.
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None:
        return str(IPv6Address(int(address) >> _IPV6_CUT << _IPV6_CUT))
    return str(IPv4Address(int(inner) >> _IPV4_CUT << _IPV4_CUT))


def reduce_user_agent(text: str) -> dict[str, str]:
    """Tell brand, major version and operating system: `{"browser": "Chrome", "major": "141", "os": "Windows"}`.

    What is not recognised is left out.
    """
    return dict(_parts_of_agent(text[:_LONGEST_AGENT]))


@lru_cache(maxsize=4096)
def _parts_of_agent(text: str) -> tuple[tuple[str, str], ...]:
    found = parse(text)
    browser = found.user_agent.family if found.user_agent else ""
    major = (found.user_agent.major or "") if found.user_agent else ""
    system = found.os.family if found.os else ""
    # Families may be read out of the text itself, so a hostile client chooses them.
    parts = zip(AGENT_PARTS, (scrub_emails(browser)[:40], major[:4], scrub_emails(system)[:40]), strict=True)
    return tuple((name, value) for name, value in parts if value)


def reduce_url(text: str, allow: tuple[str, ...] = CAMPAIGN) -> str:
    """Keep scheme, host, path and the parameters that `allow` names of a web address, absolute or relative.

    A `*` at the end of a name stands for anything. User, password, fragment and every other parameter go: mail
    addresses and tokens travel there. Parts of the path, and of what is kept, that identify a person are replaced or go
    too. A scheme that does not name a host (`mailto:`, `data:`) leaves nothing.
    """
    rest = text.partition("#")[0]
    rest, _, query = rest.partition("?")
    location = _reduce_page(rest) if len(rest) <= _SHORT else _reduce_location(rest)
    if not query or location is None:
        return location or ""
    is_allowed = _parameters(allow).match
    kept = [part for part in query.split("&") if is_allowed(part) and (_WORD.fullmatch(part) or _may_stay(part))]
    return f"{location}?{'&'.join(kept)}" if kept else location


def _reduce_location(rest: str) -> str | None:
    head, slashes, tail = rest.partition("//")
    if slashes and (not head or (head.endswith(":") and "/" not in head)):
        authority, slash, path = tail.partition("/")
        rest = f"{head}//{scrub_emails(authority.rpartition('@')[2])}"
        path = slash + path
    elif ":" in rest.partition("/")[0]:
        return None
    else:
        rest, path = "", rest
    return rest + _reduce_path(path)


# A site's pages are seen again and again; what stands behind their question mark is not remembered.
_reduce_page = lru_cache(maxsize=4_096)(_reduce_location)


def _reduce_path(path: str) -> str:
    # Most paths hold none of these signs, and are left as they are without being taken apart.
    if "%" in path or "@" in path or "+" in path or ":" in path or path.count(".") >= 3:  # noqa: PLR2004 - an IPv4 address has three dots
        path = "/".join(map(_reduce_segment, scrub_emails(path).split("/")))
    return _CUED_SEGMENT.sub(r"\1[phone]", path) if _NINE_DIGITS.search(path) else path


def _reduce_segment(segment: str) -> str:
    """Replace a part of a path that as a whole is an address or a number with its country code, escaped or not."""
    plain = unquote(segment)
    return scrub(plain) if may_identify(plain) else segment


@cache
def _parameters(allow: tuple[str, ...]) -> re.Pattern[str]:
    names = (re.escape(name[:-1]) + "[^=]*" if name.endswith("*") else re.escape(name) for name in allow)
    return re.compile(f"(?:{'|'.join(names) or '(?!)'})(?:=|$)")


def _may_stay(part: str) -> bool:
    # A plus sign is a space there, or what a number begins with.
    readings = (unquote(part), unquote_plus(part), unquote(part.partition("=")[2]))
    return not any("@" in plain or scrub(plain) != plain for plain in readings)
