"""What the tags of sites are told: one document per write key."""

from datetime import datetime
from uuid import UUID

import msgspec

from domain.site import SiteSettings
from stores.postgres import Connection


async def read_site(connection: Connection, workspace: UUID, key: UUID) -> SiteSettings:
    """Return the settings of a write key's site; the defaults where none were written."""
    document = await connection.fetchval(
        "SELECT settings FROM site WHERE workspace_id = $1 AND key_id = $2", workspace, key
    )
    return SiteSettings() if document is None else msgspec.convert(document, SiteSettings)


async def write_site(connection: Connection, workspace: UUID, key: UUID, settings: SiteSettings, at: datetime) -> bool:
    """Keep the settings of a write key's site in place of earlier ones. False when the workspace has no such key."""
    written = await connection.fetchval(
        """
        INSERT INTO site (key_id, workspace_id, settings, updated_at)
        SELECT id, workspace_id, $3, $4 FROM api_key
        WHERE workspace_id = $1 AND id = $2 AND kind = 'write' AND revoked_at IS NULL
        ON CONFLICT (key_id) DO UPDATE SET settings = excluded.settings, updated_at = excluded.updated_at
        RETURNING key_id
        """,
        workspace,
        key,
        msgspec.to_builtins(settings),
        at,
    )
    return written is not None
