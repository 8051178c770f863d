"""The versions of the workspace's keys, and where each stands. The keys themselves are never shown."""

from datetime import datetime

import strawberry

from domain.key import Scope
from domain.rotation import KeyState, KeyUse
from resolvers.context import Info
from resolvers.fields import field
from resolvers.permissions import needs
from stores.workspace_keys import read_versions

strawberry.enum(KeyUse, description="What a key of a workspace is for: wrapping data keys, or making blind indexes.")
strawberry.enum(KeyState, description="Where a version of a key stands in its rotation.")


@strawberry.type
class KeyVersion:
    """One version of one of the workspace's keys."""

    use: KeyUse
    version: int
    state: KeyState
    changed_at: datetime | None = strawberry.field(
        description="Since when it is in this state; null for one never rotated."
    )


@strawberry.type
class KeyQueries:
    """What can be asked about keys."""

    @field(needs(Scope.PRIVACY_ADMIN))
    async def key_versions(self, info: Info) -> list[KeyVersion]:
        """The versions of the workspace's keys. One that is coming or leaving means that a rotation is under way."""
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection:
            versions = await read_versions(connection, workspace)
        return [
            KeyVersion(use=each.use, version=each.version, state=each.state, changed_at=each.changed_at)
            for each in versions
        ]
