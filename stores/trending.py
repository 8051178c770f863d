"""How much each item of a workspace was wanted lately, from the stored events."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from stores.postgres import Database

_TRENDING = """
SELECT thing.item, sum(weighed.weight * exp(ln(0.5) * extract(epoch FROM $6 - event.at) / $4))::float8 AS score
FROM event
JOIN unnest($2::text[], $3::float8[]) AS weighed (name, weight) ON weighed.name = event.name
CROSS JOIN LATERAL (
    SELECT event.properties ->> 'product_id' AS item WHERE event.properties ? 'product_id'
    UNION ALL
    SELECT each ->> 'product_id' FROM jsonb_array_elements(
        CASE WHEN jsonb_typeof(event.properties -> 'products') = 'array' AND NOT event.properties ? 'product_id'
        THEN event.properties -> 'products' ELSE '[]' END) AS each
) AS thing
WHERE event.workspace_id = $1 AND event.name = ANY($2::text[]) AND event.at > $5 AND thing.item <> ''
  AND event.subject_id <> ALL(ARRAY(
      SELECT subject.id FROM profile
      JOIN subject ON subject.workspace_id = $1 AND subject.profile_id = profile.id
      WHERE profile.workspace_id = $1 AND (profile.restricted_at IS NOT NULL OR profile.objected_at IS NOT NULL)))
GROUP BY thing.item HAVING sum(weighed.weight) > 0 ORDER BY score DESC, thing.item LIMIT $7
"""


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
