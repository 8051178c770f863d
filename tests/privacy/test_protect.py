import json
import random
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alias import AliasKind
from domain.consent import CONSENTABLE, Purpose
from domain.event import CallType, ProtectedEvent, decode_event, encode_event
from privacy.compiled import CompiledPlan
from privacy.gate import Verdict
from privacy.keys import WorkspaceKeys
from privacy.plan import read_plan
from privacy.protect import STEPS, Reason, protect
from privacy.pseudonym import aliases_of
from privacy.sealing import Sealer
from tests.privacy.conftest import NOON, SUBJECT, WORKSPACE, MakeCall

EVERYTHING = frozenset(CONSENTABLE)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
INNER = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=5), SCALARS, max_size=3)
JSON = INNER | st.lists(INNER, max_size=3)
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Protector:
    """Protects with the test's plan and keys, as the collect path does."""

    def __init__(self, plan: CompiledPlan, keys: WorkspaceKeys, sealer: Sealer) -> None:
        self.plan = plan
        self.keys = keys
        self.sealer = sealer

    def __call__(self, call: Any, *granted: Purpose) -> tuple[ProtectedEvent, dict[str, Reason]]:
        purposes = self.plan.purposes_of(call) & (frozenset(granted) or EVERYTHING)
        return protect(call, Verdict(purposes), aliases_of(call, self.keys), self.sealer, self.plan)


@pytest.fixture(scope="session")
def shield(plan: CompiledPlan, keys: WorkspaceKeys, sealer: Sealer) -> Protector:
    return Protector(plan, keys, sealer)


def test_steps_are_named_in_their_order() -> None:
    assert [name for name, _ in STEPS] == ["minimise", "seal", "reduce", "scrub"]


def test_event_carries_who_when_and_what_for(shield: Protector, make_call: MakeCall) -> None:
    event, dropped = shield(make_call(user_id="u-7", anonymous_id="a-7", properties={"product_id": "lamp"}))
    assert (event.workspace, event.subject, event.message_id) == (WORKSPACE, SUBJECT, "message-1")
    assert (event.at, event.received_at, event.original_at, event.sent_at) == (NOON, NOON, NOON, NOON)
    assert event.purposes == (Purpose.ADVERTISING, Purpose.ANALYTICS, Purpose.PERSONALIZATION)
    assert [alias.kind for alias in event.aliases] == [AliasKind.USER_ID, AliasKind.ANONYMOUS_ID]
    assert event.properties == {"product_id": "lamp"}
    assert dropped == {}
    assert decode_event(encode_event(event)) == event


def test_hundred_random_fields_are_dropped_and_named(shield: Protector, make_call: MakeCall) -> None:
    rng = random.Random(7)
    names = {"x" + "".join(rng.choices(string.ascii_lowercase, k=12)) for _ in range(100)}
    event, dropped = shield(make_call(properties={"product_id": 1, **dict.fromkeys(names, "canary")}))
    assert event.properties == {"product_id": 1}
    assert set(dropped) == {f"properties.{name}" for name in names}
    assert b"canary" not in encode_event(event)


def test_unannotated_fields_are_dropped_everywhere(shield: Protector, make_call: MakeCall) -> None:
    call = make_call(
        "group",
        kind=CallType.GROUP,
        properties={"products": [{"sku": "a", "gift_for": "canary"}]},
        traits={"company": {"name": "Firm", "boss": "canary"}, "shoe": "canary"},
        context={"device": {"type": "phone", "id": "canary"}, "network": {"carrier": "canary"}, "page": "canary"},
    )
    event, dropped = shield(call)
    assert event.properties == {"products": [{"sku": "a"}]}
    assert event.traits == {"company": {"name": "Firm"}}
    assert event.context == {"device": {"type": "phone"}}
    assert set(dropped) == {
        "properties.products.gift_for", "traits.company.boss", "traits.shoe", "context.device.id", "context.network",
        "context.page",
    }  # fmt: skip
    assert b"canary" not in encode_event(event)


def test_name_that_may_be_a_value_is_not_repeated(shield: Protector, make_call: MakeCall) -> None:
    _, dropped = shield(make_call(properties={"jane@mail.co": 1, "x" * 65: 1}))
    assert dropped == {"properties.?": Reason.UNANNOTATED}


def test_field_is_dropped_for_one_of_three_reasons(shield: Protector, identify: MakeCall) -> None:
    traits = {"email": "a@b.co", "shoe_size": 44, "age": "old", "company": {"id": 1, "motto": "x"}}
    _, dropped = shield(identify(user_id="u-7", traits=traits), Purpose.ANALYTICS)
    assert dropped == {
        "traits.email": Reason.NO_PURPOSE,
        "traits.shoe_size": Reason.UNANNOTATED,
        "traits.age": Reason.WRONG_TYPE,
        "traits.company.motto": Reason.UNANNOTATED,
    }


def test_fields_that_the_tag_left_out_are_heard_of_by_name(shield: Protector, make_call: MakeCall) -> None:
    told = ["properties.shoe_size", "context.ip", "traits.jane@mail.co", "nonsense", 7, "properties."]
    event, dropped = shield(make_call(context={"dropped": told}), Purpose.ADVERTISING)
    assert event.context == {}
    assert dropped == {
        "properties.shoe_size": Reason.UNANNOTATED,
        "context.ip": Reason.NO_PURPOSE,
        "traits.?": Reason.UNANNOTATED,
    }
    assert shield(make_call(context={"dropped": "properties.x"}))[1] == {}


def test_names_of_dropped_fields_are_bounded(shield: Protector, make_call: MakeCall) -> None:
    _, dropped = shield(make_call(properties={f"x{number}": 1 for number in range(5000)}))
    assert len(dropped) == 100


def test_what_was_read_from_the_context_is_not_reported(shield: Protector, make_call: MakeCall) -> None:
    context = {"consent": {"categoryPreferences": {}}, "consentManagement": {}, "traits": {"email": "jane@mail.co"}}
    event, dropped = shield(make_call(context=context))
    assert (event.context, dropped) == ({}, {})


def test_personal_fields_are_sealed_by_their_path(shield: Protector, identify: MakeCall) -> None:
    traits = {"email": "jane@mail.co", "phone": 442079460958, "name": "Jane", "address": {"city": "York"}, "age": 35}
    event, dropped = shield(identify(user_id="u-7", traits=traits))
    opened = {path: shield.sealer.open(path, frame) for path, frame in event.sealed.items()}
    assert opened == {
        "user_id": "u-7",
        "traits.email": "jane@mail.co",
        "traits.phone": 442079460958,
        "traits.name": "Jane",
        "traits.address": {"city": "York"},
    }
    assert event.traits == {"age": 35}
    assert dropped == {}


def test_field_without_a_granted_purpose_is_dropped_with_its_alias(shield: Protector, identify: MakeCall) -> None:
    call = identify(user_id="u-7", traits={"email": "jane@mail.co", "age": 35})
    event, dropped = shield(call, Purpose.ANALYTICS)
    assert event.traits == {"age": 35}
    assert set(event.sealed) == {"user_id"}
    assert dropped == {"traits.email": Reason.NO_PURPOSE}
    assert [alias.kind for alias in event.aliases] == [AliasKind.USER_ID]
    assert event.purposes == (Purpose.ANALYTICS,)


def test_any_one_granted_purpose_keeps_a_field(shield: Protector, make_call: MakeCall) -> None:
    call = make_call(context={"campaign": {"name": "may"}, "sessionId": "s", "ip": "203.0.113.77"})
    assert set(shield(call, Purpose.ADVERTISING)[0].context) == {"campaign"}
    assert set(shield(call, Purpose.PERSONALIZATION)[0].context) == {"sessionId"}
    assert set(shield(call, Purpose.ANALYTICS)[0].context) == {"campaign", "sessionId", "ip"}


def test_necessary_field_stays_whatever_purpose_keeps_the_event(
    keys: WorkspaceKeys, sealer: Sealer, make_call: MakeCall
) -> None:
    fields = {
        "a": {"kind": "plain", "purposes": ["necessary"]},
        "b": {"kind": "plain", "purposes": ["advertising"]},
    }
    plan = CompiledPlan(read_plan({"version": 1, "fields": fields}))
    event, _ = Protector(plan, keys, sealer)(make_call(properties={"a": "x", "b": "x"}))
    assert event.properties == {"a": "x"}


def test_context_is_reduced(shield: Protector, make_call: MakeCall) -> None:
    context = {
        "ip": "203.0.113.77",
        "userAgent": AGENT,
        "page": {"url": "https://shop.co/a?email=x&utm_source=y", "referrer": "mailto:jane@mail.co", "title": "Lamps"},
        "screen": {"width": 800},
    }
    event, _ = shield(make_call(context=context))
    assert event.context == {
        "ip": "203.0.113.0",
        "userAgent": {"browser": "Firefox", "major": "140", "os": "Linux"},
        "page": {"url": "https://shop.co/a?utm_source=y", "title": "Lamps"},
        "screen": {"width": 800},
    }


@pytest.mark.parametrize("value", [7, ["x"], {"a": 1}, None, "nowhere"])
def test_unreadable_address_is_left_out(shield: Protector, make_call: MakeCall, value: Any) -> None:
    event, _ = shield(make_call(context={"ip": value}))
    assert not event.context.get("ip")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Called 6505551212", "Called [phone]"),
        ("call_6505551212", "call_[phone]"),
        ("Viewed /u/+4915123456789 from 203.0.113.77", "Viewed /u/[phone] from [ip]"),
        ("Signed up as jane%40mail.co", "Signed up as [email]"),
        ("Order 4006381333931 Completed", "Order 4006381333931 Completed"),
        ("v1.2.3.4 Installed", "v1.2.3.4 Installed"),
    ],
)
def test_an_events_name_is_scrubbed(shield: Protector, make_call: MakeCall, name: str, kept: str) -> None:
    event, _ = shield(make_call(name, user_id="u-7"))
    assert event.name == kept


def test_texts_and_names_are_scrubbed(shield: Protector, make_call: MakeCall) -> None:
    properties = {"product_id": "jane@mail.co", "review_body": "call +44 20 7946 0958", "coupon": "order 6505551212"}
    event, _ = shield(make_call("mail from jane@mail.co", properties=properties))
    assert event.name == "mail from [email]"
    assert event.properties == {
        "product_id": "[email]", "review_body": "call [phone]", "coupon": "order 6505551212",
    }  # fmt: skip


def test_plain_fields_keep_no_number_or_address_of_a_person(shield: Protector, make_call: MakeCall) -> None:
    properties = {"label": "+49 151 23456789", "category": "203.0.113.77", "coupon": "10:30:00"}
    app = {"name": "2001:db8:77::1", "version": "2.14.3.1"}
    event, _ = shield(make_call(properties=properties, context={"app": app}))
    assert event.properties == {"label": "[phone]", "category": "[ip]", "coupon": "10:30:00"}
    assert event.context["app"] == {"name": "[ip]", "version": "2.14.3.1"}


def test_lists_keep_scalars_only(shield: Protector, identify: MakeCall) -> None:
    event, _ = shield(identify(traits={"actions": ["viewed", 3, {"a": "canary"}, ["canary"], "jane@mail.co"]}))
    assert event.traits == {"actions": ["viewed", 3, "[email]"]}


def test_deep_sealed_value_is_dropped_not_fatal(shield: Protector, identify: MakeCall) -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    event, dropped = shield(identify(traits={"address": deep}))
    assert event.sealed == {}
    assert dropped == {"traits.address": Reason.WRONG_TYPE}


def test_dropped_call_is_never_protected(plan: CompiledPlan, sealer: Sealer, make_call: MakeCall) -> None:
    with pytest.raises(ValueError, match="dropped"):
        protect(make_call(), Verdict(frozenset()), (), sealer, plan)


EMAIL, PHONE, CARD, IP, NAME = (
    "canary.jane@mail.co",
    "+44 20 7946 0958",
    "4111 1111 1111 1111",
    "203.0.113.77",
    "Canary",
)
CANARIES = st.sampled_from([EMAIL, PHONE, CARD])
TEXT_FIELDS = st.sampled_from(["review_body", "query", "title"])


@given(
    extra=st.dictionaries(st.text(min_size=1), CANARIES, max_size=5),
    field=TEXT_FIELDS,
    before=st.text(alphabet=" ,;abc", max_size=5),
    canary=CANARIES,
    kind=st.sampled_from(CallType),
    granted=st.sets(st.sampled_from(CONSENTABLE), min_size=1),
)
def test_no_plain_personal_data_is_left(
    *,
    shield: Protector,
    make_call: MakeCall,
    extra: dict[str, str],
    field: str,
    before: str,
    canary: str,
    kind: CallType,
    granted: set[Purpose],
) -> None:
    call = make_call(
        f"seen {canary}",
        kind=kind,
        user_id=EMAIL,
        anonymous_id=PHONE,
        group_id=EMAIL,
        previous_id=EMAIL,
        properties={**extra, "coupon": EMAIL, field: f"{before} {canary}", "url": f"https://{EMAIL}/?q={PHONE}#{CARD}"},
        traits={**extra, "email": EMAIL, "phone": PHONE, "name": NAME, "address": {"street": NAME}, "username": EMAIL,
                "company": {"name": EMAIL}, "interests": [EMAIL]},
        context={**extra, "ip": IP, "userAgent": f"{EMAIL} {AGENT}", "traits": {"email": EMAIL, "phone": PHONE},
                 "page": {"url": f"https://x.co/{EMAIL}?e={EMAIL}", "title": canary, "search": f"?{EMAIL}"},
                 "device": {"id": EMAIL}, "campaign": {"term": canary}, "sessionId": EMAIL},
    )  # fmt: skip
    if not shield.plan.purposes_of(call) & granted:
        return
    event, dropped = shield(call, *granted)
    written = encode_event(event).decode() + json.dumps([name for name in dropped if name not in extra])
    for value in (EMAIL, PHONE, CARD, IP, NAME):
        assert value not in written


@given(properties=st.dictionaries(st.sampled_from(["product_id", "products", "price", "title", "url"]), JSON),
       traits=st.dictionaries(st.sampled_from(["email", "company", "actions", "age"]), JSON),
       context=st.dictionaries(st.sampled_from(["ip", "userAgent", "page", "screen", "locale"]), JSON))  # fmt: skip
def test_any_json_is_protected_without_failing(
    shield: Protector,
    identify: MakeCall,
    properties: dict[str, Any],
    traits: dict[str, Any],
    context: dict[str, Any],
) -> None:
    event, _ = shield(identify(properties=properties, traits=traits, context=context))
    assert set(event.properties) <= set(properties)
    assert not set(event.traits) & {"email"}


def test_a_fields_own_list_of_parameters_counts(keys: WorkspaceKeys, sealer: Sealer, make_call: MakeCall) -> None:
    fields = {"url": {"kind": "url", "allow": ["q"]}, "referrer": {"kind": "url"}}
    events = {"product_view": {"purposes": ["analytics"]}}
    plan = CompiledPlan(read_plan({"version": 1, "fields": fields, "events": events}))
    address = "/a?q=lamp&utm_source=x&token=1"
    event, _ = Protector(plan, keys, sealer)(make_call(user_id="u", properties={"url": address, "referrer": address}))
    assert event.properties == {"url": "/a?q=lamp", "referrer": "/a?utm_source=x"}
