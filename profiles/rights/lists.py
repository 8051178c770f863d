"""What is cached of a person's recommendations, forgotten with them."""

from profiles.rights.case import Case, Counts
from stores.recommendation_cache import RecommendationCache


class ForgetLists:
    """A step of an erasure: drops the lists that were made for the person lately."""

    def __init__(self, cache: RecommendationCache) -> None:
        self._cache = cache

    async def __call__(self, case: Case) -> Counts:
        """Drop them; without Redis the step is tried again."""
        profiles = case.request.found.profiles
        await self._cache.drop(case.request.workspace, profiles)
        return {"profiles": len(profiles)}
