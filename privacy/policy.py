"""What a workspace says about who may see what."""

import msgspec

from domain.workspace import WorkspaceSettings
from privacy.plan import Plan


class Policy(msgspec.Struct, frozen=True):
    """A workspace's tracking plan and its settings."""

    plan: Plan
    settings: WorkspaceSettings
