"""What a workspace has declared about its traits, for each profile at one moment of the builds."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog

from domain.errors import Refused
from domain.trait import TraitStatus
from profiles.declared import Declared, Trait, read_definition
from stores.traits import StoredTrait

_LOG = structlog.get_logger(__name__)


class Declarations:
    """Compiled declarations. A trait that is building applies up to where its build has come, the one before beyond."""

    def __init__(self, stored: Sequence[StoredTrait] = ()) -> None:
        self._newest = {each.name: _compile(each) for each in stored}
        self._building = {each.name: each.built_through for each in stored if each.status is TraitStatus.BUILDING}
        self._before = {each.name: _compile(each) for each in stored if each.status is TraitStatus.LIVE}
        self._kept: dict[frozenset[str], Declared] = {}

    @property
    def building(self) -> bool:
        """True while a declaration is being applied to history."""
        return bool(self._building)

    @property
    def names(self) -> bool:
        """True where anything is declared."""
        return bool(self._newest)

    def of(self, profile: UUID) -> Declared:
        """Give what applies to one profile."""
        behind = frozenset(name for name, through in self._building.items() if through is None or profile > through)
        found = self._kept.get(behind)
        if found is None:
            chosen = [self._before.get(name) if name in behind else each for name, each in self._newest.items()]
            found = self._kept[behind] = Declared([each for each in chosen if each is not None])
        return found

    def advanced(self, progress: Mapping[str, UUID | None]) -> "Declarations":
        """Take over what is compiled where only a build has moved on."""
        later = Declarations()
        later._newest, later._before, later._kept = self._newest, self._before, self._kept
        later._building = {name: progress.get(name) for name in self._building}
        return later


def _compile(stored: StoredTrait) -> Trait | None:
    if stored.definition is None:
        return None
    try:
        return Trait(stored.name, stored.version, read_definition(stored.definition))
    except Refused as refused:
        _LOG.error("trait_unusable", trait=stored.name, problem=refused.detail)
        return None
