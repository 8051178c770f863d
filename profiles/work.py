"""What one transaction does to the profiles of one workspace: gathered in memory, then written with few statements."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from domain.clock import to_micros
from domain.segment import ChangeKind
from profiles.catalogue import Definitions
from profiles.declared import Declared
from profiles.retrace import retell
from profiles.segments.evaluate import Cause, Move, Touch, judge, next_look, stamp
from profiles.segments.former import unite
from profiles.segments.index import Index
from profiles.segments.leaf import Happened, Keeper, moments_of
from profiles.traits import fold_profile
from stores.changes import NewChange, add_changes
from stores.events import read_history
from stores.postgres import Connection
from stores.profiles import (
    LeafState,
    Membership,
    Profile,
    Removal,
    delete_all_leaves,
    delete_leaves,
    delete_memberships,
    save_leaves,
    save_memberships,
    save_profiles,
    save_versions,
)

NOWHERE: Final[Mapping[str, str]] = {}
"""The places of messages of which none is traced."""


class Work:
    """Holds locked profiles. Whoever changes them says so by `touch` and `change`; `settle` does the rest."""

    def __init__(
        self,
        connection: Connection,
        workspace: UUID,
        definitions: Definitions,
        profiles: dict[UUID, Profile],
        now: datetime,
        places: Mapping[str, str] = NOWHERE,
    ) -> None:
        self.profiles = profiles
        self.now = now
        self.changes: list[NewChange] = []
        self.next_due: datetime | None = None
        """The soonest timer that was written."""
        self._connection = connection
        self._workspace = workspace
        self._definitions = definitions
        self._places = places
        self._touches: dict[UUID, Touch] = {}
        self._changed: set[UUID] = set()
        self._moves: list[tuple[UUID, int, Move]] = []
        self._memberships: list[tuple[UUID, Membership]] = []
        self._removals: list[Removal] = []
        self._leaves: dict[UUID, set[bytes]] = defaultdict(set)
        self._dropped: list[tuple[UUID, bytes]] = []
        self._emptied: list[UUID] = []
        self._retold: dict[UUID, Cause] = {}
        self._raised: set[UUID] = set()
        for profile in profiles.values():
            index = self.index(profile.id)
            if not index.former.keys().isdisjoint(profile.leaves):
                came, gone = unite(profile, index)
                self._leaves[profile.id].update(came)
                self._dropped.extend((profile.id, key) for key in gone)

    def index(self, profile: UUID) -> Index:
        """Return the definitions that apply to a profile."""
        return self._definitions.index(profile)

    def declared(self, profile: UUID) -> Declared:
        """Return the declared traits that apply to a profile."""
        return self._definitions.declarations.of(profile)

    def touch(self, profile: UUID) -> Touch:
        """Return what this transaction brings to a profile, to add to."""
        return self._touches.setdefault(profile, Touch())

    def change(self, profile: UUID) -> None:
        """Note that the profile's own row changes."""
        self._changed.add(profile)

    def advance(self, profile: UUID) -> None:
        """Judge what has been brought so far, before the next event: so an entry and an exit are both told.

        Where the history of events must be asked first, `settle` judges.
        """
        touch = self._touches.get(profile)
        if touch is not None and not touch.rebuild and self._stamp(profile, touch):
            self._judge(profile, self._touches.pop(profile))

    def replace_state(self, profile: UUID, keeper: Keeper, stamps: list[int]) -> None:
        """Set what is kept, and its timer."""
        leaves = self.profiles[profile].leaves
        if stamps or keeper.state in leaves:
            state = leaves.setdefault(keeper.state, LeafState([]))
            state.stamps, state.due_at = stamps, None
            state.due_at = next_look(keeper, state, to_micros(self.now))
            self._leaves[profile].add(keeper.state)

    def leave(self, profile: UUID, membership: Membership, at: datetime, cause: Cause) -> None:
        """End a membership, whatever the definition says."""
        self.profiles[profile].memberships.pop(membership.segment_id)
        segment = (membership.segment_id, membership.segment_key, membership.segment_version)
        self._raise(profile)
        self._move(profile, Move(*segment, ChangeKind.EXITED, at, cause))

    def merge(self, merges: Mapping[UUID, UUID]) -> None:
        """Fold losing profiles into their winners, before anything else touches either."""
        involved = {each: self.profiles[each] for pair in merges.items() for each in pair}
        for loser, winner in merges.items():
            self._absorb(involved[winner], involved[loser])
        for winner in set(merges.values()):
            index = self.index(winner)
            if self._definitions.partial:
                # One of the two may be on an old definition, and then their leaves do not add up.
                self.touch(winner).rebuild.update(index.kept)
            # What one of them did may have filled a pause of the other.
            self.touch(winner).rebuild.update(session.state for session in index.sessions)
            self._restate(winner, index)
            if self._definitions.declarations.names:
                self.retell(winner, {"merge": str(winner)})

    def restart(self, profile: UUID, cause: Cause) -> Touch:
        """Take the profile's leaves from its history, as if nothing were known of them, and judge every segment."""
        index, touch = self.index(profile), self.touch(profile)
        self.profiles[profile].leaves = {}
        self._emptied.append(profile)
        touch.rebuild.update(index.kept)
        touch.everything(index, cause)
        self._changed.add(profile)
        return touch

    def retell(self, profile: UUID, cause: Cause) -> None:
        """Work the declared traits of a profile out of its history, which holds this transaction's events too."""
        self._retold[profile] = cause

    async def settle(self) -> None:
        """Judge every touched profile at `now` and write all that has changed."""
        for profile_id, cause in self._retold.items():
            declared = self._definitions.declarations.of(profile_id)
            changed = await retell(self._connection, self._workspace, self.profiles[profile_id], declared)
            if changed:
                self.touch(profile_id).traits(self.index(profile_id), changed, cause)
                self._changed.add(profile_id)
        await self._rebuild()
        for profile_id, touch in self._touches.items():
            self._stamp(profile_id, touch)
        await self._rebuild()  # of those that only now turned out to need it
        for profile_id, touch in self._touches.items():
            self._look_again(profile_id, touch, self.index(profile_id))
            self._judge(profile_id, touch)
        await self._save()

    def _stamp(self, profile: UUID, touch: Touch) -> bool:
        """Take what the touch brings into the leaves, and tell whether all of them could."""
        stamped = stamp(self.profiles[profile], self.index(profile), touch, to_micros(self.now))
        if stamped:
            self._leaves[profile].update(stamped)
        return not touch.rebuild

    def _judge(self, profile: UUID, touch: Touch) -> None:
        moves, stored = judge(self.profiles[profile], self.index(profile), touch, self.now)
        self._memberships.extend((profile, membership) for membership in stored)
        if moves:
            self._raise(profile)
        for move in moves:
            self._move(profile, move)

    def _raise(self, profile: UUID) -> None:
        """Give the profile a new version: whoever holds a copy of it knows by that that it is old."""
        self.profiles[profile].version += 1
        self._raised.add(profile)

    def _absorb(self, winner: Profile, loser: Profile) -> None:
        fold_profile(winner, loser)
        for key, state in loser.leaves.items():
            leaf = self.index(winner.id).kept.get(key)
            if leaf is None:
                continue
            known = winner.leaves.setdefault(key, LeafState([]))
            joined = leaf.join(known.stamps, state.stamps)
            if joined is None:
                self.touch(winner.id).rebuild.add(key)
            else:
                known.stamps = joined
        for membership in list(loser.memberships.values()):
            self.leave(loser.id, membership, self.now, {"merge": str(winner.id)})
        loser.traits, loser.sealed, loser.counters, loser.leaves = {}, {}, {}, {}
        winner.holds = winner.holds.joined(loser.holds)
        loser.merged_into = winner.id
        self._emptied.append(loser.id)
        self._changed.update((winner.id, loser.id))
        self.touch(winner.id).everything(self.index(winner.id), {"merge": str(loser.id)})

    def _restate(self, winner: UUID, index: Index) -> None:
        profile = self.profiles[winner]
        for key, state in list(profile.leaves.items()):
            keeper = index.kept.get(key)
            if keeper is not None:
                self.replace_state(winner, keeper, state.stamps)

    async def _rebuild(self) -> None:
        """Take the leaves that cannot tell otherwise from the history of events."""
        wanted: dict[UUID, list[Keeper]] = {}
        for profile_id, touch in self._touches.items():
            kept = self.index(profile_id).kept
            if leaves := [kept[key] for key in touch.rebuild if key in kept]:
                wanted[profile_id] = leaves
            for key in touch.rebuild:
                touch.moments.pop(key, None)
            touch.rebuild = set()
        if not wanted:
            return
        all_leaves = [leaf for leaves in wanted.values() for leaf in leaves]
        since = self.now - timedelta(microseconds=max(leaf.horizon for leaf in all_leaves))
        names = (
            {name for leaf in all_leaves for name in leaf.events} if all(leaf.events for leaf in all_leaves) else None
        )
        history = await read_history(self._connection, self._workspace, wanted, names, since)
        happened: dict[UUID, list[Happened]] = defaultdict(list)
        for each in history:
            happened[each.profile_id].append((each.name, each.properties, to_micros(each.at)))
        for profile_id, leaves in wanted.items():
            for leaf in leaves:
                self.replace_state(profile_id, leaf, leaf.build(moments_of(leaf, happened[profile_id])))

    def _look_again(self, profile: UUID, touch: Touch, index: Index) -> None:
        leaves = self.profiles[profile].leaves
        for key in touch.due:
            leaf, state = index.kept.get(key), leaves.get(key)
            if leaf is None:
                self._drop_leaf(profile, key)
            elif state is not None:
                state.due_at = next_look(leaf, state, to_micros(self.now))
                self._leaves[profile].add(key)

    def _drop_leaf(self, profile: UUID, key: bytes) -> None:
        self.profiles[profile].leaves.pop(key, None)
        self._dropped.append((profile, key))

    def _move(self, profile: UUID, move: Move) -> None:
        self._moves.append((profile, self.profiles[profile].version, move))
        if move.kind is ChangeKind.EXITED:
            self._removals.append(Removal(profile, move.segment_id))

    async def _save(self) -> None:
        connection, workspace = self._connection, self._workspace
        # Whoever holds a copy of a profile knows by its version that it is old.
        beside = {*self._leaves, *self._raised, *(each for each, _ in (*self._memberships, *self._dropped))}
        beside -= self._changed
        # What began and ended again leaves no row; what moved twice is written once.
        memberships = {
            (profile, membership.segment_id): membership
            for profile, membership in self._memberships
            if self.profiles[profile].memberships.get(membership.segment_id) is membership
        }
        for profile_id in (self._changed | beside) - self._raised:
            self.profiles[profile_id].version += 1
        if self._changed:
            await save_profiles(connection, workspace, [self.profiles[each] for each in self._changed])
        if beside:
            await save_versions(connection, workspace, [self.profiles[each] for each in beside])
        if self._emptied:
            await delete_all_leaves(connection, workspace, self._emptied)
        if self._dropped:
            await delete_leaves(connection, workspace, self._dropped)
        if self._leaves:
            states = [
                (each, key, leaves[key])
                for each, keys in self._leaves.items()
                for leaves in (self.profiles[each].leaves,)
                for key in keys
                if key in leaves
            ]
            await save_leaves(connection, workspace, states)
            self.next_due = min((state.due_at for _, _, state in states if state.due_at), default=None)
        if self._removals:
            await delete_memberships(connection, workspace, self._removals)
        if memberships:
            await save_memberships(
                connection, workspace, [(profile, membership) for (profile, _), membership in memberships.items()]
            )
        if self._moves:
            self.changes = [
                NewChange(
                    profile_id,
                    version,
                    move.segment_id,
                    move.segment_key,
                    move.segment_version,
                    move.kind,
                    move.at,
                    move.cause,
                    self._places.get(move.cause.get("event", "")),
                )
                for profile_id, version, move in self._moves
            ]
            await add_changes(connection, workspace, self.changes)
