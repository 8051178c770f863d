"""The consent gate: which purposes an event may be kept for."""

from collections.abc import Iterable

import msgspec

from domain.consent import Purpose, Statements, strictest
from domain.event import Call
from privacy.compiled import CompiledPlan


class Verdict(msgspec.Struct, frozen=True):
    """The purposes of an event that are granted. With none, nothing of the event may be kept."""

    purposes: frozenset[Purpose]

    @property
    def dropped(self) -> bool:
        """True when no purpose of the event is granted."""
        return not self.purposes


def gate(call: Call, plan: CompiledPlan, sources: Iterable[Statements]) -> Verdict:
    """Weigh all sources, the stored consent among them: granted is what one grants and none refuses."""
    return Verdict(plan.purposes_of(call) & strictest(sources))
