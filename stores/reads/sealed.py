"""The sealed data of one person, as ciphertext with what it opens by. It is opened elsewhere, after the look is logged.

Every statement runs on a connection of `Database.workspace`, where row-level security keeps to one workspace.
"""

from base64 import b64decode
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import msgspec

from domain.consent import Purpose, State
from domain.request import Holds
from stores.postgres import Connection
from stores.reads import profiles


class Frame(msgspec.Struct, frozen=True):
    """One sealed value, and the subject under whose data key it lies."""

    subject: UUID
    wrapped_key: bytes
    frame: bytes


class Person(msgspec.Struct, frozen=True):
    """What decides on a release, and the frames that could be released."""

    profile_id: UUID
    consent: Mapping[Purpose, State]
    holds: Holds
    suppressed: bool
    """True where an identifier of theirs must stay forgotten."""
    traits: Mapping[str, Frame]
    """By their names in `profile.sealed`."""
    ids: Mapping[str, Frame]
    """The newest `user_id` and `group_id`."""


async def find_person(connection: Connection, profile: UUID, ids: Collection[str] = ()) -> Person | None:
    """Read a profile's sealed traits, and the newest of `ids` (`user_id`, `group_id`); None for no such profile."""
    row = await connection.fetchrow(
        "SELECT sealed, restricted_at, objected_at, limited_at FROM profile WHERE id = $1 AND merged_into IS NULL",
        profile,
    )
    if row is None:
        return None
    subjects = await connection.fetch("SELECT id, wrapped_key FROM subject WHERE profile_id = $1", profile)
    keys = {row["id"]: row["wrapped_key"] for row in subjects}
    stated = (await profiles.consents(connection, [profile])).get(profile, [])
    return Person(
        profile_id=profile,
        consent={consent.purpose: consent.state for consent in stated},
        holds=Holds(row["restricted_at"], row["objected_at"], row["limited_at"]),
        suppressed=await _is_suppressed(connection, profile),
        traits=_frames(row["sealed"], keys),
        ids=_frames(await _newest_ids(connection, profile, ids) if ids else {}, keys),
    )


async def _is_suppressed(connection: Connection, profile: UUID) -> bool:
    found: bool = await connection.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM subject JOIN alias ON alias.subject_id = subject.id
            JOIN suppression USING (kind, version, index) WHERE subject.profile_id = $1)
        """,
        profile,
    )
    return found


async def _newest_ids(connection: Connection, profile: UUID, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    rows = await connection.fetch(
        """
        SELECT asked.path, newest.subject_id, newest.frame FROM unnest($2::text[]) AS asked (path)
        CROSS JOIN LATERAL (
            SELECT event.subject_id, event.sealed ->> asked.path AS frame
            FROM subject JOIN event ON event.subject_id = subject.id
            WHERE subject.profile_id = $1 AND event.sealed ? asked.path
            ORDER BY event.at DESC, event.message_id DESC LIMIT 1
        ) AS newest
        """,
        profile,
        list(ids),
    )
    return {row["path"]: {"subject": str(row["subject_id"]), "frame": row["frame"]} for row in rows}


def _frames(sealed: Mapping[str, Mapping[str, Any]], keys: Mapping[UUID, bytes]) -> dict[str, Frame]:
    """Pair each frame with its key; one whose subject is gone cannot be opened by anyone."""
    placed = ((name, UUID(each["subject"]), b64decode(each["frame"])) for name, each in sealed.items())
    return {name: Frame(subject, keys[subject], frame) for name, subject, frame in placed if subject in keys}
