"""Several events in order, which may be bound together by their properties: viewed, carted and bought the same thing.

Of all ways to have come up to a step, the one that began last lives longest. With events in their order that one is all
there is to keep, for each set of values that later steps refer to; an event out of order asks for the history.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from domain.segment import Reference
from domain.segment import Sequence as Node
from profiles.segments.comparison import MISSING
from profiles.segments.duration import parse_duration
from profiles.segments.leaf import Moment, leaf_key, mark_of
from profiles.segments.unanswered import step_filter

MOST_BEGUN: Final = 100
"""Sequences under way that are kept, those that began last."""

_NEVER: Final = -(2**62)

Begun = dict[tuple[int, tuple[int, ...]], int]
"""(step, marks of the values that are referred to) → the latest start of a sequence that has come so far."""


class _Step:
    """One step: which events are it, which values it keeps and which it compares with those kept before."""

    __slots__ = ("compares", "filter", "keeps")

    def __init__(self, node: Node, place: int, slots: dict[tuple[int, str], int]) -> None:
        step = node.steps[place]
        self.filter = step_filter(step)
        self.keeps = tuple((slot, name) for (of, name), slot in slots.items() if of == place + 1)
        self.compares = tuple(
            (each.property, each.op == "==", slots[each.step, each.of])
            for each in step.where
            if isinstance(each, Reference)
        )

    def read(self, properties: dict[str, Any]) -> tuple[Any, ...]:
        """Take the marks of the values that are kept and compared."""
        kept = tuple((slot, mark_of(properties.get(name, MISSING))) for slot, name in self.keeps)
        compared = tuple((mark_of(properties.get(name, MISSING)), equal, slot) for name, equal, slot in self.compares)
        return kept, compared


class SequenceLeaf:
    """Keeps `[newest stamp, newest completion, step, start, marks …, step, start, marks …]`."""

    __slots__ = ("_slots", "_steps", "events", "horizon", "key", "state", "window", "within")

    def __init__(self, node: Node) -> None:
        self.within, self.window = parse_duration(node.within), parse_duration(node.window)
        self.horizon = self.within + self.window
        self.events = tuple(dict.fromkeys(step.event for step in node.steps))
        named = [(each.step, each.of) for step in node.steps for each in step.where if isinstance(each, Reference)]
        slots = {each: slot for slot, each in enumerate(dict.fromkeys(named))}
        self._slots = len(slots)
        self._steps = tuple(_Step(node, place, slots) for place in range(len(node.steps)))
        forms = [
            [step.filter.event, step.filter.form, [each for each in written.where if isinstance(each, Reference)]]
            for step, written in zip(self._steps, node.steps, strict=True)
        ]
        self.key = self.state = leaf_key("sequence", [forms, self.within, self.window])

    def moment(self, name: str, properties: dict[str, Any], stamp: int) -> Moment | None:
        """Tell which steps an event may be, with the marks of the values that matter."""
        steps = tuple(
            (place, *step.read(properties))
            for place, step in enumerate(self._steps)
            if step.filter.event == name and step.filter.takes(properties)
        )
        return (stamp, steps) if steps else None

    def fold(self, kept: Sequence[int], moments: Sequence[Moment], _seen: int = 0) -> list[int] | None:
        """Take events that are newer than all before."""
        newest, done, begun = self._read(kept)
        if min(stamp for stamp, _ in moments) <= newest:
            return None
        return self._take(done, begun, moments)

    def build(self, moments: Iterable[Moment]) -> list[int]:
        """Take a whole history in its order."""
        moments = list(moments)
        return self._take(_NEVER, {}, moments) if moments else []

    def join(self, kept: Sequence[int], other: Sequence[int]) -> list[int] | None:
        """Two people's events may complete each other's sequences."""
        return None if kept and other else list(kept or other)

    def truth(self, kept: Sequence[int], now: int) -> bool:
        """Decide at an instant."""
        return bool(kept) and kept[1] > now - self.window

    def flip(self, kept: Sequence[int], now: int) -> int | None:
        """Tell when the newest completion leaves the window."""
        return kept[1] + self.window if self.truth(kept, now) else None

    def amount(self, kept: Sequence[int], _moments: Sequence[Moment], now: int) -> float:
        """Count the steps that the furthest sequence has come."""
        if self.truth(kept, now):
            return len(self._steps)
        _, _, begun = self._read(kept)
        return max((step + 1 for (step, _), start in begun.items() if start >= now - self.within), default=0)

    def _take(self, done: int, begun: Begun, moments: Iterable[Moment]) -> list[int]:
        newest = _NEVER
        for newest, group in groupby(sorted(moments, key=itemgetter(0)), key=itemgetter(0)):
            # All of one instant go on from what was there before it: a later step must be later.
            grown: Begun = {}
            for _, steps in group:
                for place, keeps, compares in steps:
                    self._grow(begun, grown, newest, place, keeps, compares)
            for (place, marks), start in grown.items():
                if place == len(self._steps) - 1:
                    done = newest
                else:
                    begun[place, marks] = max(start, begun.get((place, marks), start))
        alive = sorted(
            ((start, place, marks) for (place, marks), start in begun.items() if start >= newest - self.within),
            reverse=True,
        )
        flat = [number for start, place, marks in alive[:MOST_BEGUN] for number in (place, start, *marks)]
        return [newest, done, *flat]

    def _grow(
        self,
        begun: Begun,
        grown: Begun,
        stamp: int,
        place: int,
        keeps: Sequence[tuple[int, int]],
        compares: Sequence[tuple[int, bool, int]],
    ) -> None:
        if place == 0:
            before: Iterable[tuple[tuple[int, ...], int]] = [((0,) * self._slots, stamp)]
        else:
            before = [(marks, start) for (step, marks), start in begun.items() if step == place - 1]
        for marks, start in before:
            if stamp - start > self.within or not all(
                (mark == marks[slot] and mark != 0) is equal for mark, equal, slot in compares
            ):
                continue
            after = list(marks)
            for slot, mark in keeps:
                after[slot] = mark
            key = (place, tuple(after))
            grown[key] = max(start, grown.get(key, start))

    def _read(self, kept: Sequence[int]) -> tuple[int, int, Begun]:
        if not kept:
            return _NEVER, _NEVER, {}
        width = 2 + self._slots
        begun = {
            (kept[place], tuple(kept[place + 2 : place + width])): kept[place + 1]
            for place in range(2, len(kept), width)
        }
        return kept[0], kept[1], begun
