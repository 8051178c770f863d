"""Random definitions of every kind, and traffic of whole seconds, so that ties and exact ends are common."""

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.event import CallType, ProtectedEvent

EVENTS = ["view", "cart", "buy"]
WINDOWS = ["5s", "10s", "15s", "20s"]
PLANS = ["gold", "silver"]
SPANS = [5, 10, 15, 20]
"""Seconds of every window, pause and step: what can change by itself changes so long after an event, or two of them."""
WORKSPACE, SUBJECT = UUID(int=1), UUID(int=2)

_COMPARISONS = ["==", "!=", ">", ">=", "<", "<="]
_JOINED = ["and", "or", "not"]
_LEAVES = ["count", "count", "by", "sum", "distinct", "then_not", "sequence", "sequence", "session", "rfm", "trait"]


def definition(chance: random.Random, others: list[str] | None = None, depth: int = 2) -> dict[str, Any]:
    """Make a definition. `others` are segments that it may speak of."""
    kind = chance.choice([*_LEAVES, *(_JOINED * 2 if depth else []), *(["segment", "model"] if others else [])])
    if kind in ("and", "or"):
        return {"type": kind, "children": [definition(chance, others, depth - 1) for _ in range(chance.randint(1, 3))]}
    if kind == "not":
        return {"type": "not", "child": definition(chance, others, depth - 1)}
    return leaf(chance, kind, others or [])


def leaf(chance: random.Random, kind: str, others: list[str]) -> dict[str, Any]:  # noqa: C901, PLR0911 - one per kind
    """Make a condition."""
    event = {"event": chance.choice(EVENTS), "where": where(chance)}
    op, n, window = chance.choice(_COMPARISONS), chance.randint(0, 3), chance.choice(WINDOWS)
    match kind:
        case "segment":
            return {"type": "segment", "key": chance.choice(others)}
        case "model":
            return {"type": "model", "model": "churn", "op": op, "score": 0.5, "confidence": 0.5}
        case "trait":
            return {"type": "trait", "name": "plan", "op": chance.choice(["==", "!="]), "value": chance.choice(PLANS)}
        case "by":
            return {"type": "count", **event, "op": ">=", "n": n + 1, "window": window, "by": "size"}
        case "sum":
            return {"type": "sum", **event, "property": "size", "op": op, "value": n, "window": window}
        case "distinct":
            return {"type": "distinct", **event, "property": "size", "op": op, "n": n, "window": window}
        case "session":
            return {"type": "session", **event, "op": ">=", "n": n + 1, "idle": window}
        case "then_not":
            within, window = chance.choice([("5s", "10s"), ("5s", "20s"), ("10s", "20s")])
            then = {"event": chance.choice(EVENTS), "where": where(chance)}
            return {"type": "then_not", "first": event, "then": then, "within": within, "window": window}
        case "sequence":
            steps = [step(chance, place) for place in range(chance.randint(2, 3))]
            return {"type": "sequence", "steps": steps, "within": chance.choice(WINDOWS), "window": window}
        case "rfm":
            bands = {
                "recency": chance.choice([{"to": "5s"}, {"from": "5s"}, {"from": "5s", "to": "10s"}]),
                "frequency": chance.choice([{"from": 2}, {"to": 3}]),
                "monetary": chance.choice([{"from": 2}, {"from": 1, "to": 3}]),
            }
            chosen = chance.sample(sorted(bands), chance.randint(0, 3))
            cell = {name: bands[name] for name in chosen}
            return {"type": "rfm", "event": event["event"], "property": "size", "window": "20s", **cell}
    return {"type": "count", **event, "op": op, "n": n, "window": window}


def where(chance: random.Random) -> list[dict[str, Any]]:
    """Make conditions on properties, mostly none."""
    return [{"property": "size", "op": chance.choice(["==", ">"]), "value": 1}] if chance.random() < 0.3 else []


def step(chance: random.Random, place: int) -> dict[str, Any]:
    """Make a step that may refer to an earlier one."""
    conditions = where(chance)
    if place and chance.random() < 0.5:
        earlier = chance.randint(1, place)
        conditions.append({"property": "size", "op": chance.choice(["==", "!="]), "step": earlier, "of": "size"})
    return {"event": chance.choice(EVENTS), "where": conditions}


def traffic(chance: random.Random, count: int, noon: datetime, seconds: int) -> list[tuple[datetime, ProtectedEvent]]:
    """Make one person's events with the instants of their arrival, in that order; some are late."""
    sent = []
    for number in range(count):
        arrival = noon + timedelta(seconds=chance.randint(0, seconds))
        late = timedelta(seconds=chance.choice([0, 0, 0, 0, 1, 5, 10]))
        identifies = chance.random() < 0.15
        event = ProtectedEvent(
            workspace=WORKSPACE,
            message_id=f"m{number:03}",
            subject=SUBJECT,
            type=CallType.IDENTIFY if identifies else CallType.TRACK,
            name="identify" if identifies else chance.choice(EVENTS),
            at=arrival - late,
            received_at=arrival,
            aliases=(),
            purposes=(),
            traits={"plan": chance.choice(PLANS)} if identifies else {},
            properties={"size": chance.randint(0, 2)} if not identifies and chance.random() < 0.8 else {},
        )
        sent.append((arrival, event))
    return sorted(sent, key=lambda pair: pair[0])


def instants(sent: list[tuple[datetime, ProtectedEvent]], noon: datetime) -> list[datetime]:
    """List every instant at which something may change, and the tick before it."""
    tick = timedelta(microseconds=1)
    ends = {event.at + timedelta(seconds=span) for _, event in sent for span in SPANS}
    arrivals = {arrival for arrival, _ in sent}
    return sorted(each for each in arrivals | ends | {end - tick for end in ends} if each >= noon)
