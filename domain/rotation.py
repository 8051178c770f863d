"""A workspace's keys in versions: a rotation brings a new one in, moves what is stored, and lets the old one go."""

from enum import StrEnum


class KeyUse(StrEnum):
    """What a key of a workspace is for."""

    WRAP = "wrap"
    """Wraps the data keys of people."""
    INDEX = "index"
    """Makes blind indexes of identifiers."""


class KeyState(StrEnum):
    """Where one version stands. Of each use exactly one version is active, and at most one is coming or leaving."""

    COMING = "coming"
    """Wrap: every process opens what is under it, none wraps under it. Index: rows are written and read under both."""
    ACTIVE = "active"
    """Everything new is under it."""
    LEAVING = "leaving"
    """What is still under it is being moved."""
    RETIRED = "retired"
    """Nothing stored is under it. An index key stays: the later versions are made over it."""
    DESTROYED = "destroyed"
    """The key is gone, and with it whatever an old backup holds under it."""
