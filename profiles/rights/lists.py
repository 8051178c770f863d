"""What is kept of a person in Redis for a while, forgotten with them."""

from profiles.rights.case import Case, Counts
from stores.answers import Answers
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


class ForgetAnswers:
    """A step of an erasure: drops what mutations about the person were answered and is kept for repetitions."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def __call__(self, case: Case) -> Counts:
        """Drop them; without Redis the step is tried again."""
        return {"answers": await self._answers.forget(case.request.workspace, case.request.found.profiles)}
