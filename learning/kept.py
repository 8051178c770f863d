"""Lists that were made a moment ago and still hold: the same question, the same person, nothing changed since."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
import structlog

from domain.errors import StoreUnavailable
from learning.lists import Ask, Served
from learning.shelf import Shelf
from stores.reads.recommendations import Standing
from stores.recommendation_cache import RecommendationCache

_log = structlog.get_logger(__name__)


class _Kept(msgspec.Struct, frozen=True):
    """A list in the cache, with the stamp of what it was made from."""

    stamp: str
    served: Served


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


class KeptLists:
    """Finds and keeps personal lists. The cache is a shortcut: while it is away, nothing is found and nothing kept."""

    def __init__(self, cache: RecommendationCache) -> None:
        self._cache = cache

    async def find(
        self, workspace: UUID, shelf: Shelf, asks: Sequence[Ask], known: Mapping[UUID, Standing]
    ) -> dict[Ask, Served]:
        """Find the lists of those who are known, as far as how things stand with them is still the same."""
        wanted = {
            ask: (ask.profile, ask.question.digest, _stamp(shelf, known[ask.profile]))
            for ask in asks
            if ask.profile and ask.profile in known
        }
        if not wanted:
            return {}
        try:
            entries = await self._cache.read(workspace, [(profile, digest) for profile, digest, _ in wanted.values()])
        except StoreUnavailable:
            _log.warning("recommendation_cache_unavailable")
            return {}
        found = {}
        for (ask, (_, _, stamp)), entry in zip(wanted.items(), entries, strict=True):
            kept = _read(entry)
            if kept and kept.stamp == stamp:
                found[ask] = kept.served
        return found

    async def keep(
        self, workspace: UUID, shelf: Shelf, fresh: Mapping[Ask, Served], known: Mapping[UUID, Standing]
    ) -> None:
        """Keep the lists that are somebody's own."""
        entries = {
            (ask.profile, ask.question.digest): _encode(_Kept(_stamp(shelf, known[ask.profile]), served))
            for ask, served in fresh.items()
            if ask.profile and served.personalized
        }
        if not entries:
            return
        try:
            await self._cache.keep(workspace, entries)
        except StoreUnavailable:
            _log.warning("recommendation_cache_unavailable")


def _stamp(shelf: Shelf, standing: Standing) -> str:
    return f"{shelf.stamp} {standing.version} {standing.word}"


def _read(entry: bytes | None) -> _Kept | None:
    try:
        return _decode(entry) if entry else None
    except msgspec.DecodeError:  # of an older version of ours
        return None
