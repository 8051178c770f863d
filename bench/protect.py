"""How many events of 1 KB, one in ten with personal data in its text, does one core protect?"""

import gc
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from bench.figure import Figure
from domain.consent import CONSENTABLE, State, Statements
from domain.event import Call, CallType, encode_event
from privacy.compiled import CompiledPlan
from privacy.gate import gate
from privacy.keys import WorkspaceKeys, new_key
from privacy.plan import default_document, read_plan
from privacy.protect import protect
from privacy.pseudonym import aliases_of
from privacy.signals.sources import signals_of

EVENTS = 5_000
ROUNDS = 7
PEOPLE = 500
CLEAN = "The lamp came quickly and the colour is right, order 20240425-88, though the cable could be longer than 1.5 m."
DIRTY = "Please call me on +44 20 7946 0958 or write to jane.doe@mail.example, my old card was 4111 1111 1111 1111."
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"


def make_call(number: int) -> Call:
    person = number % PEOPLE
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    properties = {
        "product_id": f"lamp-{number % 97}",
        "category": "lighting",
        "name": "Desk lamp",
        "brand": "Lumen",
        "price": 49.9,
        "currency": "EUR",
        "quantity": 1,
        "view_time": 12.5,
        "url": f"https://shop.example/p/lamp-{number % 97}?utm_source=mail&session=abc#reviews",
        "review_body": DIRTY if number % 10 == 0 else CLEAN,
        "unplanned": "dropped",
    }
    context = {
        "ip": f"203.0.113.{number % 250}",
        "userAgent": AGENT.format(120 + number % 20),
        "locale": "en-GB",
        "timezone": "Europe/London",
        "library": {"name": "tagway", "version": "0.1.0"},
        "screen": {"width": 1920, "height": 1080, "density": 2},
        "page": {"url": "https://shop.example/p/lamp", "path": "/p/lamp", "title": "Desk lamp", "referrer": ""},
        "consent": {"categoryPreferences": {"analytics": True, "personalization": True, "advertising": False}},
        "sessionId": f"session-{person}",
        "traits": {"email": f"person{person}@mail.example"},
    }
    return Call(
        CallType.TRACK, str(uuid4()), "product_view", at, at, at, at,
        user_id=f"user-{person}", anonymous_id=f"visitor-{person}", properties=properties, context=context,
    )  # fmt: skip


async def run() -> list[Figure]:
    """Measure the pure step alone, then with all that precedes it."""
    plan = CompiledPlan(read_plan(default_document()))
    keys = WorkspaceKeys(uuid4(), new_key())
    people = [(uuid4(), keys.new_wrapped_key()) for _ in range(PEOPLE)]
    calls = [make_call(number) for number in range(EVENTS)]
    stored: Statements = dict.fromkeys(CONSENTABLE, State.GRANTED)
    verdicts = [gate(call, plan, [signal.statements for signal in signals_of(call.context, {})]) for call in calls]
    aliases = [aliases_of(call, keys) for call in calls]

    def protect_only() -> None:
        for number, call in enumerate(calls):
            subject, wrapped = people[number % PEOPLE]
            protect(call, verdicts[number], aliases[number], keys.sealer(subject, wrapped), plan)

    def whole_path() -> None:
        for number, call in enumerate(calls):
            assert not plan.problems(call)
            found = aliases_of(call, keys)
            verdict = gate(call, plan, [stored, *(each.statements for each in signals_of(call.context, {}))])
            subject, wrapped = people[number % PEOPLE]
            encode_event(protect(call, verdict, found, keys.sealer(subject, wrapped), plan)[0])

    gc.collect()
    gc.freeze()  # as a server does once it is set up
    try:
        return [
            Figure("protect", rate(protect_only), "events/s", at_least=20_000),
            Figure("validate, find identifiers, ask consent, protect, encode", rate(whole_path), "events/s"),
        ]
    finally:
        gc.unfreeze()


def rate(work: Callable[[], None]) -> float:
    """Events per second of processor time, in the round that was disturbed least."""
    rates = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        rates.append(EVENTS / (time.process_time() - start))
    return max(rates)
