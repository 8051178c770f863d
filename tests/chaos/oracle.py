"""What must be in the stores, by what was sent and answered alone, and how far it is not."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from domain.clock import utc_now
from tests.chaos.load import Answer, Ledger
from tests.chaos.site import Site
from tests.chaos.subscriber import Heard

THRICE: Final = {"type": "count", "event": "product_view", "op": ">=", "n": 3, "window": "30d"}
BRIEF_SECONDS: Final = 3
BRIEF: Final = {"type": "count", "event": "product_view", "op": ">=", "n": 1, "window": f"{BRIEF_SECONDS}s"}
"""Everyone who is seen is in it, and leaves it by a timer when they are silent."""

_CHANGES: Final = """
    SELECT profile_id, segment.key, kind, profile_version, position
    FROM segment_change JOIN segment ON segment.id = segment_id ORDER BY position NULLS LAST, segment_change.id
"""
_MISDATED: Final = """
    SELECT (SELECT count(*) FROM event WHERE NOT received_at BETWEEN $1 AND $2)
        + (SELECT count(*) FROM segment_change WHERE NOT at BETWEEN $1 AND $2)
"""
_VIEWS: Final = "SELECT id, (counters->>'product_view')::int AS views FROM profile WHERE merged_into IS NULL"
_MEMBERS: Final = "SELECT profile_id, segment.key FROM membership JOIN segment ON segment.id = segment_id"
_LETTERS: Final = "SELECT count(*) FROM dead_letter WHERE reason <> ''"
_SLACK: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class Findings:
    """What the stores hold. All but `kept`, `changes` and `letters` must be 0."""

    kept: int
    """Messages that nobody was told of and that are stored all the same, once each."""
    lost: int
    twice: int
    wrong: int
    """People whose counters or memberships are not what the events say, what is dated before or after the trial, and
    dead letters that are not the poison that was given, each once and with a reason."""
    changes: int
    missed: int
    """Changes that the subscriber did not hear, heard twice, or in another order."""
    letters: int
    """Records put aside with a reason."""

    @property
    def bad(self) -> int:
        return self.lost + self.twice + self.wrong + self.missed


class Oracle:
    """Knows what was sent, and to whom poison was given."""

    def __init__(self, site: Site, ledger: Ledger, heard: list[Heard]) -> None:
        self.poisons = 0
        """How many records were put on the log that nobody can build."""
        self._site = site
        self._ledger = ledger
        self._heard = heard
        self._began = utc_now()

    async def look(self) -> Findings:
        """Hold the stores against the ledger as they are now."""
        stored = Counter(row[0] for row in await self._site.execute("SELECT message_id FROM event"))
        acknowledged = self._ledger.of(Answer.ACKNOWLEDGED)
        committed = [tuple(row) for row in await self._site.execute(_CHANGES)]
        told: list[Heard] = [row[:4] for row in committed]
        ((letters,),) = await self._site.execute(_LETTERS)
        wrong = await self._wrong(stored) + await self._misdated() + abs(letters - self.poisons)
        return Findings(
            kept=len(stored.keys() - acknowledged),
            lost=len(acknowledged - stored.keys()) + len(stored.keys() - self._ledger.answers.keys()),
            twice=sum(times > 1 for times in stored.values()),
            wrong=wrong,
            changes=len(told),
            missed=_difference(told, self._heard) + sum(row[4] is None for row in committed),
            letters=letters,
        )

    async def _misdated(self) -> int:
        """Count what cannot have been when it says: a clock of the product was wrong, and was believed."""
        ((misdated,),) = await self._site.execute(_MISDATED, self._began - _SLACK, utc_now() + _SLACK)
        return int(misdated)

    async def _wrong(self, stored: Counter[str]) -> int:
        views = Counter(self._ledger.person[id_] for id_ in stored if id_ in self._ledger.person)
        counted = {row["id"]: row["views"] for row in await self._site.execute(_VIEWS)}
        members: dict[str, set[Any]] = {"thrice": set(), "brief": set()}
        for row in await self._site.execute(_MEMBERS):
            members[row["key"]].add(row["profile_id"])
        expected = {profile for profile, number in counted.items() if number >= 3}
        wrong = abs(sum(1 for number in views.values() if number >= 3) - len(expected))
        wrong += sum((Counter(views.values()) - Counter(counted.values())).values())
        # All are silent by now, so their timers must have let them out.
        return wrong + len(expected ^ members["thrice"]) + len(members["brief"])


def _difference(told: list[Heard], heard: list[Heard]) -> int:
    """Count where two stories part: 0 only if they are the same, in the same order."""
    same = next((place for place, pair in enumerate(zip(told, heard, strict=False)) if pair[0] != pair[1]), None)
    if same is None:
        return abs(len(told) - len(heard))
    return max(len(told), len(heard)) - same
