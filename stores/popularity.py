"""How much each item of a workspace was wanted lately, from the stored events."""

from datetime import datetime
from uuid import UUID

from stores.postgres import Database

POPULAR_ITEMS = """
SELECT properties ->> 'product_id' AS item,
       sum(CASE name WHEN 'purchase' THEN 5 WHEN 'add_to_cart' THEN 3 ELSE 1 END)::float8 AS score
FROM event
WHERE workspace_id = $1
  AND name IN ('product_view', 'add_to_cart', 'purchase')
  AND at > $2
  AND properties ? 'product_id'
  AND subject_id <> ALL(ARRAY(
      SELECT subject.id FROM profile
      JOIN subject ON subject.workspace_id = $1 AND subject.profile_id = profile.id
      WHERE profile.workspace_id = $1 AND (profile.restricted_at IS NOT NULL OR profile.objected_at IS NOT NULL)))
GROUP BY item
ORDER BY score DESC, item
LIMIT $3
"""
"""Weights as for implicit feedback: a view 1, a cart 3, a purchase 5. Whoever has objected is left out."""


async def popular_items(database: Database, workspace: UUID, since: datetime, limit: int) -> list[tuple[str, float]]:
    """Item ids with their weighted count since `since`, most wanted first; ties by id, so that the list is stable."""
    async with database.workspace(workspace) as connection:
        rows = await connection.fetch(POPULAR_ITEMS, workspace, since, limit)
    return [(row["item"], row["score"]) for row in rows]
