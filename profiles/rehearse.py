"""What segments would have made of recorded traffic: a person's events, replayed in memory by the same evaluator."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from domain.clock import to_micros
from domain.event import ProtectedEvent
from profiles.segments.evaluate import Cause, Move, Touch, judge, next_look, stamp
from profiles.segments.index import Index
from profiles.segments.leaf import Happened, event_key, event_stamp, moments_of
from profiles.traits import fold_event
from stores.profiles import LeafState, Profile


class Rehearsal:
    """One profile that begins with nothing. Instants must not go back; events may be late."""

    def __init__(self, index: Index, id: UUID, begins: datetime) -> None:  # noqa: A002 - the profile's
        self.profile = Profile(id, 0, {}, {}, {}, begins, begins)
        self._index = index
        self._history: list[Happened] = []

    def take(self, events: Iterable[ProtectedEvent], now: datetime) -> list[Move]:
        """Let time pass until `now`, then take the events that arrive, each for itself."""
        moves = self.wait(now)
        for event in events:
            touch, cause = Touch(), {"event": event.message_id}
            if not self._history:
                touch.birth(self._index, cause)
            touch.traits(self._index, fold_event(self.profile, event), cause)
            touch.event(self._index, event_key(event), event.properties, event_stamp(event), cause)
            self._history.append((event_key(event), event.properties, event_stamp(event)))
            moves += self._judge(touch, now)
        return moves

    def wait(self, until: datetime) -> list[Move]:
        """Let time pass: what is due comes at its instant."""
        moves: list[Move] = []
        while due := [(state.due_at, key) for key, state in self.profile.leaves.items() if state.due_at]:
            at, _ = min(due)
            if at > until:
                break
            touch, cause = Touch(), {"timer": at.isoformat()}
            for key in (key for instant, key in due if instant == at):
                touch.state(self._index, key, cause)
                state = self.profile.leaves[key]
                state.due_at = next_look(self._index.kept[key], state, to_micros(at))
            moves += self._judge(touch, at)
        return moves

    def start(self, now: datetime, cause: Cause) -> list[Move]:
        """Judge everything as it stands."""
        touch = Touch()
        touch.everything(self._index, cause)
        return self._judge(touch, now)

    def _judge(self, touch: Touch, now: datetime) -> list[Move]:
        micros = to_micros(now)
        stamp(self.profile, self._index, touch, micros)
        for key in touch.rebuild:
            leaf = self._index.kept[key]
            opens = micros - leaf.horizon
            recent = [happened for happened in self._history if happened[2] > opens]
            state = self.profile.leaves.setdefault(key, LeafState([]))
            state.stamps, state.due_at = leaf.build(moments_of(leaf, recent)), None
            state.due_at = next_look(leaf, state, micros)
        moves, _ = judge(self.profile, self._index, touch, now)
        return moves

    @property
    def next_due(self) -> datetime | None:
        """Tell when something may change by itself."""
        return min((state.due_at for state in self.profile.leaves.values() if state.due_at), default=None)
