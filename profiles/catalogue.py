"""The segments of each workspace, compiled once per version of its definitions."""

from collections.abc import Mapping
from uuid import UUID

import structlog

from domain.errors import Refused
from domain.identity import IdentityRules
from domain.segment import SegmentStatus
from profiles.declarations import Declarations
from profiles.segments.definition import parse_definition
from profiles.segments.index import Index, Segment
from stores.postgres import Connection
from stores.segments import Progress, StoredSegment, read_progress, read_segments, share_definitions
from stores.traits import read_trait_progress, read_traits
from stores.workspaces import read_settings

_LOG = structlog.get_logger(__name__)
_LARGEST_CACHE = 1_000


class _Compiled:
    """One stored segment, in both of its definitions while it is being built."""

    def __init__(self, stored: StoredSegment) -> None:
        self.id = stored.id
        self.building = stored.status is SegmentStatus.BUILDING
        usable = stored.status in (SegmentStatus.BUILDING, SegmentStatus.LIVE)
        self.current = compile_segment(stored) if usable else None
        self.previous: Segment | None = None
        if self.building and stored.previous_definition is not None:
            self.previous = compile_segment(stored, previous=True)


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
        self._building = [each for each in compiled if each.building]
        self._built_through = built_through
        self._indexes: dict[tuple[bool, ...], Index] = {}

    @property
    def building(self) -> bool:
        """True while a definition is being applied to history."""
        return bool(self._building)

    def index(self, profile: UUID) -> Index:
        """Compile what applies to one profile: new definitions up to where their builds have come."""
        reached = tuple(self._reached(each.id, profile) for each in self._building)
        index = self._indexes.get(reached)
        if index is None:
            by_id = dict(zip((each.id for each in self._building), reached, strict=True))
            chosen = [each.current if by_id.get(each.id, True) else each.previous for each in self._compiled]
            index = self._indexes[reached] = Index([segment for segment in chosen if segment is not None])
        return index

    def leaves(self) -> set[bytes]:
        """Name every leaf of every definition, old and new."""
        return {
            key
            for each in self._compiled
            for segment in (each.current, each.previous)
            if segment is not None
            for key in segment.leaves
        }

    def advanced(self, built_through: Mapping[UUID, UUID | None]) -> "Definitions":
        """Take over the compiled segments where only a build has moved on."""
        if not self._building or built_through == self._built_through:
            return self
        later = Definitions(self._compiled, built_through, self.identity, self.declarations)
        later._indexes = self._indexes
        return later

    def _reached(self, segment: UUID, profile: UUID) -> bool:
        through = self._built_through.get(segment)
        return through is not None and profile <= through


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


def compile_segment(stored: StoredSegment, *, previous: bool = False) -> Segment | None:
    """Compile a stored definition; None, and a line in the log, where it is not valid."""
    raw = stored.previous_definition if previous else stored.definition
    try:
        definition = parse_definition(raw)
    except Refused as refused:
        _LOG.error("segment_unusable", segment=str(stored.id), problem=refused.detail)
        return None
    return Segment(stored.id, stored.key, stored.version - previous, definition)
