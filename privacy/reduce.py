"""Coarser forms of what would single a person out: network address, user agent, web address."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from ua_parser import parse

from privacy.scrub import scrub_emails

_IPV4_CUT: Final = 32 - 24
_IPV6_CUT: Final = 128 - 48
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_DOTTED: Final = re.compile(rf"({_OCTET}\.{_OCTET}\.{_OCTET})\.{_OCTET}")
_LONGEST_AGENT: Final = 512
AGENT_PARTS: Final = ("browser", "major", "os")
"""What is left of a user agent."""
_CAMPAIGN_PARAMETER: Final = re.compile(r"utm_[a-z_]{1,20}=[^@]*", re.IGNORECASE)


def reduce_address(text: str) -> str | None:
    """Cut an address to its network: /24 of IPv4, /48 of IPv6. None for what is not an address."""
    address = text.strip()
    # Nearly every address is of this form, and reading it by `ipaddress` costs ten times as much.
    if dotted := _DOTTED.fullmatch(address):
        return f"{dotted[1]}.0"
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
    browser, major, system = _parts_of_agent(text[:_LONGEST_AGENT])
    parts = {"browser": browser, "major": major, "os": system}
    return {name: value for name, value in parts.items() if value}


@lru_cache(maxsize=4096)
def _parts_of_agent(text: str) -> tuple[str, str, str]:
    found = parse(text)
    browser = found.user_agent.family if found.user_agent else ""
    major = (found.user_agent.major or "") if found.user_agent else ""
    system = found.os.family if found.os else ""
    # Families may be read out of the text itself, so a hostile client chooses them.
    return scrub_emails(browser)[:40], major[:4], scrub_emails(system)[:40]


def reduce_url(text: str) -> str:
    """Keep scheme, host, path and `utm_…` parameters of a web address, absolute or relative.

    User, password, fragment and every other parameter go: mail addresses and tokens travel there. A scheme that does
    not name a host (`mailto:`, `data:`) leaves nothing.
    """
    rest, _, _ = text.partition("#")
    rest, _, query = rest.partition("?")
    head, slashes, tail = rest.partition("//")
    if slashes and (not head or (head.endswith(":") and "/" not in head)):
        authority, slash, path = tail.partition("/")
        rest = f"{head}//{authority.rpartition('@')[2]}{slash}{path}"
    elif ":" in rest.partition("/")[0]:
        return ""
    if "@" in rest or "%40" in rest:
        rest = scrub_emails(rest)
    if "utm_" not in query:
        return rest
    kept = [part for part in query.split("&") if _CAMPAIGN_PARAMETER.fullmatch(part) and "%40" not in part]
    return f"{rest}?{'&'.join(kept)}" if kept else rest
