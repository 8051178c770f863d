"""What a definition says of a person, found by looking at everything that the person ever did."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from domain.clock import to_micros
from domain.event import CallType, ProtectedEvent

HOLDS: dict[str, Any] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DAY = 86_400_000_000

Act = dict[str, Any]


class Oracle:
    """All that is known of one person, and all definitions by their keys. Quick to read, not to run."""

    def __init__(self, events: Iterable[ProtectedEvent], now: datetime, definitions: Mapping[str, Any]) -> None:
        self.now = to_micros(now)
        self.events = list(events)
        self.acts = sorted(
            ((to_micros(min(event.at, event.received_at)), event.name, event.properties) for event in self.events),
            key=lambda act: act[0],
        )
        self.definitions = definitions

    def true(self, node: dict[str, Any]) -> bool:
        """Decide."""
        return bool(getattr(self, f"_{node['type']}")(node))

    def _and(self, node: dict[str, Any]) -> bool:
        return all(self.true(child) for child in node["children"])

    def _or(self, node: dict[str, Any]) -> bool:
        return any(self.true(child) for child in node["children"])

    def _not(self, node: dict[str, Any]) -> bool:
        return not self.true(node["child"])

    def _segment(self, node: dict[str, Any]) -> bool:
        return node["key"] in self.definitions and self.true(self.definitions[node["key"]])

    def _model(self, _node: dict[str, Any]) -> bool:
        return False

    def _trait(self, node: dict[str, Any]) -> bool:
        stated = [event for event in self.events if event.type is CallType.IDENTIFY and node["name"] in event.traits]
        newest = max(stated, key=lambda event: (min(event.at, event.received_at), event.message_id), default=None)
        return bool(HOLDS[node["op"]](newest.traits[node["name"]] if newest else None, node["value"]))

    def _inside(self, node: dict[str, Any]) -> list[dict[str, Any]]:
        opens = self.now - span(node["window"])
        return [act for at, name, act in self.acts if at > opens and matches(node, name, act)]

    def _count(self, node: dict[str, Any]) -> bool:
        inside = self._inside(node)
        if by := node.get("by"):
            values = Counter(act[by] for act in inside if by in act)
            return any(HOLDS[node["op"]](number, node["n"]) for number in values.values())
        return bool(HOLDS[node["op"]](len(inside), node["n"]))

    def _distinct(self, node: dict[str, Any]) -> bool:
        values = {act[node["property"]] for act in self._inside(node) if node["property"] in act}
        return bool(HOLDS[node["op"]](len(values), node["n"]))

    def _sum(self, node: dict[str, Any]) -> bool:
        total = sum(act.get(node["property"], 0) for act in self._inside(node))
        return bool(HOLDS[node["op"]](total, node["value"]))

    def _rfm(self, node: dict[str, Any]) -> bool:
        bought = [
            (self.now - at, act.get(node["property"], 0))
            for at, name, act in self.acts
            if name == node["event"] and at > self.now - span(node["window"])
        ]
        if not bought:
            return False
        recency, frequency, monetary = node.get("recency"), node.get("frequency"), node.get("monetary")
        return (
            (recency is None or banded({k: span(v) for k, v in recency.items()}, min(age for age, _ in bought)))
            and (frequency is None or banded(frequency, len(bought)))
            and (monetary is None or banded(monetary, sum(amount for _, amount in bought)))
        )

    def _then_not(self, node: dict[str, Any]) -> bool:
        answers = [at for at, name, act in self.acts if matches(node["then"], name, act)]
        return any(
            self.now - span(node["window"]) < at <= self.now - span(node["within"])
            and not any(answer > at for answer in answers)
            for at, name, act in self.acts
            if matches(node["first"], name, act)
        )

    def _sequence(self, node: dict[str, Any]) -> bool:
        steps = [[(at, act) for at, name, act in self.acts if matches(step, name, act)] for step in node["steps"]]
        return any(ends > self.now - span(node["window"]) for ends in self._endings(node, steps, []))

    def _endings(
        self, node: dict[str, Any], steps: list[list[tuple[int, Act]]], taken: list[tuple[int, Act]]
    ) -> Iterable[int]:
        if len(taken) == len(steps):
            yield taken[-1][0]
            return
        bound = [each for each in node["steps"][len(taken)].get("where", []) if "step" in each]
        for at, act in steps[len(taken)]:
            if taken and (at <= taken[-1][0] or at - taken[0][0] > span(node["within"])):
                continue
            if all(
                (each["property"] in act and act[each["property"]] == taken[each["step"] - 1][1].get(each["of"]))
                == (each["op"] == "==")
                for each in bound
            ):
                yield from self._endings(node, steps, [*taken, (at, act)])

    def _session(self, node: dict[str, Any]) -> bool:
        idle, ends, number = span(node["idle"]), self.now, 0
        for at, name, act in reversed(self.acts):
            if ends - at >= idle or at <= self.now - _DAY:
                break
            ends = at
            number += matches(node, name, act)
        return number > 0 and bool(HOLDS[node["op"]](number, node["n"]))


@cache
def span(text: str) -> int:
    return int(text[:-1]) * _UNITS[text[-1]] * 1_000_000


def banded(band: dict[str, float], value: float) -> bool:
    return band.get("from", value) <= value and not ("to" in band and value >= band["to"])


def matches(node: dict[str, Any], name: str, act: dict[str, Any]) -> bool:
    return name == node["event"] and all(
        each["property"] in act and HOLDS[each["op"]](act[each["property"]], each["value"])
        for each in node.get("where", [])
        if "step" not in each
    )
