"""The segments of each workspace, compiled once per version of its definitions."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog

from domain.errors import Refused
from domain.identity import IdentityRules
from domain.segment import SegmentStatus
from profiles.declarations import Declarations
from profiles.segments.definition import parse_definition
from profiles.segments.index import Index, Segment
from stores.postgres import Connection
from stores.segments import Earlier, Progress, StoredSegment, read_progress, read_segments, share_definitions
from stores.traits import read_trait_progress, read_traits
from stores.workspaces import read_settings

_LOG = structlog.get_logger(__name__)
_LARGEST_CACHE = 1_000


class _Compiled:
    """One stored segment, with the earlier definitions that serve whom its build has not reached."""

    def __init__(self, stored: StoredSegment) -> None:
        self.id = stored.id
        self.partial = stored.status in (SegmentStatus.BUILDING, SegmentStatus.FAILED)
        self.current = compile_segment(stored) if stored.status is not SegmentStatus.DELETING else None
        earlier = stored.earlier if self.partial else ()
        self.earlier = [(each.through, compile_segment(stored, each)) for each in earlier]

    def serving(self, place: int) -> Segment | None:
        """Return the definition in a place of `place_of`."""
        if place == 0:
            return self.current
        return self.earlier[place - 1][1] if place <= len(self.earlier) else None

    def place_of(self, profile: UUID, built_through: UUID | None) -> int:
        """Tell which definition serves a profile: 0 for the newest, then the earlier ones, then none."""
        if built_through is not None and profile <= built_through:
            return 0
        for place, (through, _) in enumerate(self.earlier, 1):
            if through is None or profile <= through:
                return place
        return len(self.earlier) + 1


class Definitions:
    """What segments mean for each profile of one workspace, at one moment of their builds."""

    def __init__(
        self,
        compiled: list[_Compiled],
        built_through: Mapping[UUID, UUID | None],
        identity: IdentityRules = IdentityRules(),  # noqa: B008 - it cannot be changed
        declarations: Declarations | None = None,
    ) -> None:
        self.declarations = declarations or Declarations()
        """The traits that are worked out of what happens."""
        self.identity = identity
        """How the workspace tells who is who."""
        self._compiled = compiled
        self._partial = [each for each in compiled if each.partial]
        self._built_through = built_through
        self._indexes: dict[tuple[int, ...], Index] = {}

    @property
    def partial(self) -> bool:
        """True while a definition is in force for some profiles only."""
        return bool(self._partial)

    def index(self, profile: UUID) -> Index:
        """Compile what applies to one profile: new definitions up to where their builds have come."""
        # While nothing is being built, which is nearly always, there is one place; this runs several times per event.
        places = (
            tuple(each.place_of(profile, self._built_through.get(each.id)) for each in self._partial)
            if self._partial
            else ()
        )
        index = self._indexes.get(places)
        if index is None:
            place_of = dict(zip((each.id for each in self._partial), places, strict=True))
            chosen = [each.serving(place_of.get(each.id, 0)) for each in self._compiled]
            index = self._indexes[places] = Index([segment for segment in chosen if segment is not None])
        return index

    def states(self) -> set[bytes]:
        """Name every state that a definition, old or new, needs, also by the names that states had before."""
        return {
            name
            for each in self._compiled
            for segment in (each.current, *(earlier for _, earlier in each.earlier))
            if segment is not None
            for leaf in segment.kept
            for name in (leaf.key, leaf.state)
        }

    def advanced(self, built_through: Mapping[UUID, UUID | None]) -> "Definitions":
        """Take over the compiled segments where only a build has moved on."""
        if not self._partial or built_through == self._built_through:
            return self
        later = Definitions(self._compiled, built_through, self.identity, self.declarations)
        later._indexes = self._indexes
        return later


class Catalogue:
    """Keeps compiled definitions for the workspaces that were built last."""

    def __init__(self) -> None:
        self._kept: dict[UUID, tuple[int, Definitions]] = {}

    async def share(self, connection: Connection, workspace: UUID) -> Definitions | None:
        """Hold a workspace's definitions still for this transaction, and return them; None for an unknown workspace."""
        await share_definitions(connection, workspace)
        return await self.read(connection, workspace)

    async def read(self, connection: Connection, workspace: UUID) -> Definitions | None:
        """Return definitions that the caller holds still already."""
        progress = await read_progress(connection, workspace)
        if progress is None:
            return None
        version, definitions = self._kept.get(workspace, (-1, None))
        if definitions is None or version != progress.definitions_version:
            definitions = await self._compile(connection, workspace, progress)
        definitions = definitions.advanced(progress.built_through)
        if definitions.declarations.building:
            traits = await read_trait_progress(connection, workspace)
            definitions.declarations = definitions.declarations.advanced(traits)
        self._kept.pop(workspace, None)
        self._kept[workspace] = (progress.definitions_version, definitions)
        if len(self._kept) > _LARGEST_CACHE:
            del self._kept[next(iter(self._kept))]
        return definitions

    async def _compile(self, connection: Connection, workspace: UUID, progress: Progress) -> Definitions:
        stored = await read_segments(connection, workspace)
        settings = await read_settings(connection, workspace)
        declarations = Declarations(await read_traits(connection, workspace))
        return Definitions(
            [_Compiled(each) for each in stored], progress.built_through, settings.identity, declarations
        )


def unreadable(definition: Any) -> str | None:
    """Tell why a stored definition cannot be used, which an earlier version or another hand wrote; None if it can."""
    try:
        parse_definition(definition)
    except Refused as refused:
        return f"the definition is not valid: {refused.detail}"
    return None


def compile_segment(stored: StoredSegment, earlier: Earlier | None = None) -> Segment | None:
    """Compile a stored definition, or an earlier one; None, and a line in the log, where it is not valid."""
    written = earlier or stored
    try:
        definition = parse_definition(written.definition)
    except Refused as refused:
        _LOG.error("segment_unusable", segment=str(stored.id), problem=refused.detail)
        return None
    return Segment(stored.id, stored.key, written.version, definition)
