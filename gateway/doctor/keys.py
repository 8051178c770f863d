"""Whether the keys are the right ones: the master key, and those of identity providers."""

from typing import Final

from gateway.database import open_database
from gateway.doctor.finding import NOT_ASKED, Finding
from gateway.issuers import Issuers, read_issuers
from gateway.provider import open_provider
from gateway.settings import Settings
from privacy.sealing import Unreadable
from stores.workspace_keys import list_moving, wrapped_by_master
from stores.workspaces import list_workspaces

_TRIED: Final = 100
"""Keys that are opened at most: a key service is asked for each."""


async def check_master_key(settings: Settings) -> str:
    """Open what it has wrapped: a key of the right form may be another one's."""
    if settings.key_provider == "local" and settings.master_key is None and settings.master_key_file is None:
        return "none yet: `tagway up` makes one, all else needs TAGWAY_MASTER_KEY"
    held = "well formed" if settings.key_provider == "local" else f"held by {settings.key_provider}"
    async with open_provider(settings) as provider:
        if settings.postgres_url is None:
            return f"{held}, and not tried: the stores are not running"
        async with open_database(settings, connections=1) as database, database.across() as connection:
            wrapped = [key for *_, key in await wrapped_by_master(connection)][:_TRIED]
        closed = 0
        for key in wrapped:
            try:
                await provider.unwrap(key)
            except Unreadable:
                closed += 1
    if closed:
        raise Finding(
            f"{held}, and does not open {closed:,} of {len(wrapped):,} keys of workspaces, whose data cannot be read: "
            "name the key that wrapped them, here or as TAGWAY_PREVIOUS_MASTER_KEY"
        )
    return f"{held}, and opens the keys of workspaces ({len(wrapped):,} tried)"


async def check_rotation(settings: Settings) -> str:
    """Tell of rotations that have begun and not ended."""
    if settings.postgres_url is None:
        return NOT_ASKED
    async with open_database(settings, connections=1) as database, database.across() as connection:
        moving = await list_moving(connection)
    if not moving:
        return "none is under way"
    what = ", ".join(f"{name} {use} version {version} is {state}" for name, use, version, state in moving)
    return f"under way, and ends with `tagway keys rotate-kek` or `rotate-index`: {what}"


async def check_issuers(settings: Settings) -> str:
    """Ask each identity provider for its keys, and look for the workspace whose people it speaks for."""
    listed = read_issuers(settings.token_issuers)
    if silent := await Issuers(listed).check():
        raise Finding(f"no usable keys from {', '.join(silent)}")
    if listed and settings.postgres_url is not None:
        async with open_database(settings, connections=1) as database, database.across() as connection:
            known = {each.id for each in await list_workspaces(connection)}
        if lost := [each.issuer for each in listed if each.workspace not in known]:
            raise Finding(f"there is no workspace of the id that is given for {', '.join(lost)}")
    return f"{len(listed)} of them, keys read" if listed else "none"
