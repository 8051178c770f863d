import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.reduce import reduce_address, reduce_url, reduce_user_agent


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0"),
        (" 10.1.2.3 ", "10.1.2.0"),
        ("255.255.255.255", "255.255.255.0"),
        ("2001:db8:1234:5678:9abc::1", "2001:db8:1234::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("2002:cb00:714d:1::1", "203.0.113.0"),
        ("fe80::1%eth0", "fe80::"),
        ("256.1.1.1", None),
        ("1.2.3", None),
        ("1.2.3.4:80", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_address_is_cut_to_its_network(address: str, network: str | None) -> None:
    assert reduce_address(address) == network


@given(st.ip_addresses())
def test_address_never_stays_whole_unless_it_names_a_network(address: object) -> None:
    reduced = reduce_address(str(address))
    assert reduced is not None
    assert reduced.endswith((".0", "::"))


CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("agent", "parts"),
    [
        (CHROME, {"browser": "Chrome", "major": "141", "os": "Windows"}),
        (SAFARI, {"browser": "Mobile Safari", "major": "17", "os": "iOS"}),
        ("something@mail.co", {}),
        ("", {}),
    ],
)
def test_user_agent_keeps_brand_major_and_system(agent: str, parts: dict[str, str]) -> None:
    assert reduce_user_agent(agent) == parts


@pytest.mark.parametrize(
    ("address", "reduced"),
    [
        ("https://shop.co/a/b?utm_source=x&email=a%40b.co&utm_medium=y#top", "https://shop.co/a/b?utm_source=x&utm_medium=y"),
        ("https://jane:secret@shop.co:8443/a?token=1", "https://shop.co:8443/a"),
        ("https://shop.co?gclid=1&q=lamp", "https://shop.co"),
        ("https://shop.co/?utm_content=jane@mail.co&utm_term=a%40b.co", "https://shop.co/"),
        ("https://shop.co/u/jane@mail.co/edit", "https://shop.co/u/[email]/edit"),
        ("https://shop.co/u/jane%40mail.co", "https://shop.co/u/[email]"),
        ("https://shop.co/call/+4915123456789/x", "https://shop.co/call/[phone]/x"),
        ("https://shop.co/u/%2B49%20151%2023456789", "https://shop.co/u/[phone]"),
        ("/tel/6505551212", "/tel/[phone]"),
        ("/p/6505551212/4006381333931", "/p/6505551212/4006381333931"),
        ("https://203.0.113.1/log/203.0.113.77/x", "https://203.0.113.1/log/[ip]/x"),
        ("/log/2001:db8::8a2e:370:7334", "/log/[ip]"),
        ("/log/2001%3Adb8%3A%3A8a2e%3A370%3A7334?a=1", "/log/[ip]"),
        ("/docs/v1.2.3.4/a+b/c%20d/12:30", "/docs/v1.2.3.4/a+b/c%20d/12:30"),
        ("/a?utm_term=+4915123456789&utm_source=%2B49%20151%2023456789&utm_medium=mail", "/a?utm_medium=mail"),
        ("/a?utm_campaign=call+6505551212&utm_id=4", "/a?utm_id=4"),
        ("//jane@shop.co/a", "//shop.co/a"),
        ("https://jane%40mail.co/a", "https://[email]/a"),
        ("/a/b?UTM_Source=x&y=1", "/a/b"),
        ("/a//b", "/a//b"),
        ("?q=lamp&utm_source=x", "?utm_source=x"),
        ("mailto:jane@mail.co", ""),
        ("data:text/plain,jane", ""),
        ("javascript:alert(1)//x", ""),
        ("android-app://com.example.app/", "android-app://com.example.app/"),
        ("lamps/desk", "lamps/desk"),
        ("", ""),
    ],
)  # fmt: skip
def test_web_address_loses_what_could_name_a_person(address: str, reduced: str) -> None:
    assert reduce_url(address) == reduced


@pytest.mark.parametrize(
    ("allow", "reduced"),
    [
        ((), "/search"),
        (("q",), "/search?q=desk+lamp"),
        (("q", "page"), "/search?q=desk+lamp&page=2"),
        (("utm_source", "p*"), "/search?page=2&utm_source=x"),
        (("u",), "/search"),
        (("Q",), "/search"),
    ],
)
def test_parameters_stay_that_are_allowed(allow: tuple[str, ...], reduced: str) -> None:
    assert reduce_url("/search?q=desk+lamp&page=2&utm_source=x&token=1&user=jane@mail.co", allow) == reduced


def test_an_allowed_parameter_that_identifies_goes() -> None:
    assert reduce_url("/search?q=jane%40mail.co&q=call+6505551212&q=%2B16505551212&q=lamp", ("q",)) == "/search?q=lamp"


@given(st.emails())
def test_no_mail_address_survives_in_a_web_address(email: str) -> None:
    for place in (
        "https://{}/a",
        "https://shop.co/?next={}&utm_source={}",
        "https://shop.co/#{}",
        "https://{}@shop.co/a",
    ):
        assert email not in reduce_url(place.replace("{}", email))
