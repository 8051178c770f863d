import pytest

from domain.consent import CONSENTABLE, Purpose, State
from privacy.plan import Egress, Kind, Plan, default_document, read_plan
from privacy.release import is_granted, release_of

TRAITS = {
    "plan": {"kind": "plain"},
    "email": {"kind": "email", "purposes": ["advertising"], "egress": ["hashed", "token"]},
    "note": {"kind": "plain", "sensitive": True},
    "home": {
        "kind": "plain",
        "type": "object",
        "purposes": ["functional"],
        "fields": {"door": {"kind": "plain", "sensitive": True, "egress": "plain"}},
    },
}


@pytest.fixture
def plan() -> Plan:
    events = {"identify": {"purposes": ["functional", "analytics"]}, "group": {"purposes": ["analytics"]}}
    return read_plan({"version": 1, "traits": TRAITS, "events": events})


@pytest.mark.parametrize(
    ("path", "purposes", "egress"),
    [
        ("traits.email", {Purpose.ADVERTISING}, {Egress.HASHED, Egress.TOKEN}),
        ("traits.note", {Purpose.FUNCTIONAL, Purpose.ANALYTICS}, set()),
        ("group.note", {Purpose.ANALYTICS}, set()),
        ("traits.home.door", {Purpose.FUNCTIONAL}, {Egress.PLAIN}),
        ("user_id", set(CONSENTABLE), {Egress.TOKEN}),
        ("group_id", set(CONSENTABLE), {Egress.TOKEN}),
    ],
)
def test_a_sealed_field_is_released_by_the_plans_word(
    plan: Plan, path: str, purposes: set[Purpose], egress: set[Egress]
) -> None:
    release = release_of(plan, path)
    assert release is not None
    assert release.purposes == purposes
    assert release.egress == egress
    assert release.sensitive is path.endswith(("note", "door"))


def test_a_purpose_without_a_basis_releases_nothing() -> None:
    plan = read_plan({"version": 1, "traits": TRAITS, "bases": {"analytics": "consent"}})
    released = {path: release_of(plan, path) for path in ("traits.email", "traits.note", "user_id")}
    assert {path: release and release.purposes for path, release in released.items()} == {
        "traits.email": frozenset(),
        "traits.note": {Purpose.ANALYTICS},
        "user_id": {Purpose.ANALYTICS},
    }


@pytest.mark.parametrize(
    "path",
    [
        "",
        "traits",
        "traits.",
        "traits.plan",
        "traits.home",
        "traits.home.x",
        "traits.x.door",
        "email",
        "context.ip",
        "x.email",
    ],
)
def test_what_is_not_sealed_or_not_in_the_plan_is_not_released(plan: Plan, path: str) -> None:
    assert release_of(plan, path) is None


def test_the_default_plan_lets_addresses_and_numbers_leave_as_digests_and_tokens() -> None:
    plan = read_plan(default_document())
    for path, kind in (("traits.email", Kind.EMAIL), ("traits.phone", Kind.PHONE)):
        release = release_of(plan, path)
        assert release is not None
        assert release.kind is kind
        assert release.egress == {Egress.HASHED, Egress.TOKEN}


@pytest.mark.parametrize(
    ("stated", "granted"),
    [({}, False), ({Purpose.ANALYTICS: State.GRANTED}, True), ({Purpose.ANALYTICS: State.WITHDRAWN}, False)],
)
def test_only_a_granted_purpose_is_granted(stated: dict[Purpose, State], *, granted: bool) -> None:
    assert is_granted(Purpose.ANALYTICS, stated) is granted
    assert not is_granted(Purpose.ADVERTISING, stated)
    assert is_granted(Purpose.NECESSARY, stated)
