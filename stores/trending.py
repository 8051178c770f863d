"""How much each item of a workspace was wanted lately, from the stored events."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from stores.mentions import fits
from stores.postgres import Database

_TRENDING = f"""
WITH held_back AS (
    SELECT subject.id FROM profile
    JOIN subject ON subject.workspace_id = $1 AND subject.profile_id = profile.id
    WHERE profile.workspace_id = $1 AND (profile.restricted_at IS NOT NULL OR profile.objected_at IS NOT NULL)
), wanted AS (
    SELECT properties ->> 'product_id' AS item, name, at FROM event
    WHERE workspace_id = $1 AND name = ANY($2::text[]) AND at > $5 AND properties ? 'product_id'
        AND subject_id NOT IN (SELECT id FROM held_back)
    UNION ALL
    SELECT each ->> 'product_id', name, at FROM event, jsonb_array_elements(properties -> 'products') AS each
    WHERE workspace_id = $1 AND name = ANY($2::text[]) AND at > $5 AND NOT properties ? 'product_id'
        AND jsonb_typeof(properties -> 'products') = 'array' AND subject_id NOT IN (SELECT id FROM held_back)
)
SELECT item, sum(weight * exp(ln(0.5) * extract(epoch FROM $6 - at)::float8 / $4)) AS score
FROM wanted JOIN unnest($2::text[], $3::float8[]) AS weighed (name, weight) USING (name)
WHERE {fits("item", "id")} GROUP BY item HAVING sum(weight) > 0 ORDER BY score DESC, item LIMIT $7
"""  # noqa: S608 - a constant


async def trending_items(
    database: Database,
    workspace: UUID,
    weights: Mapping[str, float],
    *,
    now: datetime,
    horizon: timedelta,
    half_life: timedelta,
    limit: int,
) -> list[tuple[str, float]]:
    """Item ids with the sum of their events' weights, each halved by every `half_life` of its age; the most first.

    Ties go by id, so that the list is stable. Whoever has objected is left out.
    """
    async with database.workspace(workspace) as connection:
        rows = await connection.fetch(
            _TRENDING,
            workspace,
            list(weights),
            list(weights.values()),
            half_life.total_seconds(),
            now - horizon,
            now,
            limit,
        )
    return [(row["item"], row["score"]) for row in rows]
