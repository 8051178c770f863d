from uuid import UUID

from profiles.catalogue import Catalogue
from profiles.memory import Memory
from profiles.scores import Said, put_scores
from tests.fixtures.world import Sent, World

LIKELY = {"type": "model", "model": "churn", "op": ">=", "score": 0.8, "confidence": 0.6}
UNLIKELY = {"type": "model", "model": "churn", "op": "<", "score": 0.8}


async def say(world: World, who: str, said: Said) -> int:
    async with world.database.across() as connection:
        return await put_scores(
            connection,
            world.workspace,
            "churn",
            {UUID(await world.profile_of(who)): said},
            catalogue=Catalogue(),
            memory=Memory(),
            now=world.clock(),
        )


async def test_scores_move_people_once_there_are_any(world: World) -> None:
    await world.save_segment("likely", LIKELY)
    await world.save_segment("unlikely", UNLIKELY)
    await world.send(Sent(("anonymous_id:a",)))
    assert not await world.members("likely")
    assert not await world.members("unlikely")
    assert await say(world, "anonymous_id:a", Said(0.9, 0.5)) == 0
    assert await say(world, "anonymous_id:a", Said(0.9, 0.7)) == 1
    assert await world.members("likely") == {await world.profile_of("anonymous_id:a")}
    await world.send(Sent(("anonymous_id:a",)))
    assert len(await world.members("likely")) == 1
    assert await say(world, "anonymous_id:a", Said(0.2, 0.7)) == 2
    assert await world.members("unlikely") == {await world.profile_of("anonymous_id:a")}
    causes = await world.fetch("SELECT DISTINCT cause FROM segment_change")
    assert [row["cause"] for row in causes] == [{"model": "churn"}]
