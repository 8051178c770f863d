"""What models say of people, put where segments can ask for it."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from domain.clock import to_micros
from profiles.catalogue import Catalogue
from profiles.memory import Memory
from profiles.work import Work
from stores.changes import call_publisher
from stores.faults import transaction
from stores.postgres import Connection
from stores.profiles import save_scores


class Said(msgspec.Struct, frozen=True):
    """A model's word on one profile. `confidence` from 0 to 1: how sure it is."""

    score: float
    confidence: float = 1.0


async def put_scores(
    connection: Connection,
    workspace: UUID,
    model: str,
    scores: Mapping[UUID, Said],
    *,
    catalogue: Catalogue,
    memory: Memory,
    now: datetime,
) -> int:
    """Replace what a model said of some profiles, and judge the segments that ask for it; return how many moved.

    One transaction: call it with some hundreds at once. Profiles that are gone are passed over. Raises
    `StoreUnavailable`, `Contended`.
    """
    async with transaction(connection):
        definitions = await catalogue.share(connection, workspace)
        if definitions is None:
            return 0
        profiles = await memory.lock(connection, workspace, scores)
        work = Work(connection, workspace, definitions, profiles, now)
        for profile in profiles.values():
            if profile.merged_into is not None:
                continue
            said = scores[profile.id]
            word = {"s": said.score, "c": said.confidence, "t": to_micros(now)}
            profile.scores = {**profile.scores, model: word}
            work.touch(profile.id).scores(work.index(profile.id), [model], {"model": model})
            work.change(profile.id)
        await save_scores(connection, workspace, list(profiles.values()))
        await work.settle()
    memory.keep(workspace, profiles.values())
    if work.changes:
        await call_publisher(connection)
    return len(work.changes)
