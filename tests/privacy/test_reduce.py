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
        ("//jane@shop.co/a", "//shop.co/a"),
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


@given(st.emails())
def test_no_mail_address_survives_in_a_web_address(email: str) -> None:
    for place in (
        "https://{}/a",
        "https://shop.co/?next={}&utm_source={}",
        "https://shop.co/#{}",
        "https://{}@shop.co/a",
    ):
        assert email not in reduce_url(place.replace("{}", email))
