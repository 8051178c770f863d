"""Marks of how things stand with people: two that are equal say that nothing has changed which is shown of them.

The statement runs on a connection of `Database.workspace`, where row-level security keeps to one workspace.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from stores.postgres import Connection


class Stamp(msgspec.Struct, frozen=True):
    """A profile's mark, in parts; each part is a digest, or the number of the transaction that wrote a row last."""

    profile_id: UUID
    version: int
    restricted: bool
    row: str
    traits: str
    counters: str
    segments: str
    consents: str
    identities: str


async def stamps(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Stamp]:
    """Mark the profiles of these ids; one that was merged away is marked as the one it became.

    The number of a row's last transaction (`xmin`) changes with every update, whoever makes it and whether or not it
    counts as a version; so no change of a segment's or profile's row can be missed.
    """
    records = await connection.fetch(
        """
        WITH RECURSIVE trail AS (
            SELECT id AS asked, id, merged_into FROM profile WHERE id = ANY($1)
            UNION
            SELECT asked, next.id, next.merged_into FROM trail JOIN profile AS next ON next.id = trail.merged_into
        )
        SELECT trail.asked, profile.id, profile.version, profile.restricted_at IS NOT NULL AS restricted,
            profile.xmin::text AS row, md5(profile.traits::text) AS traits, md5(profile.counters::text) AS counters,
            (
                SELECT md5(string_agg(concat_ws(' ', segment.id, membership.xmin, segment.xmin), ','
                    ORDER BY segment.id))
                FROM membership JOIN segment ON segment.id = membership.segment_id
                WHERE membership.profile_id = profile.id
            ) AS segments,
            (
                SELECT md5(string_agg(concat_ws(' ', subject.id, purpose, consent.xmin), ','
                    ORDER BY subject.id, purpose))
                FROM subject JOIN consent ON consent.subject_id = subject.id WHERE subject.profile_id = profile.id
            ) AS consents,
            (
                SELECT md5(string_agg(concat_ws(' ', subject.id, kind, alias.xmin), ','
                    ORDER BY subject.id, kind, index))
                FROM subject JOIN alias ON alias.subject_id = subject.id WHERE subject.profile_id = profile.id
            ) AS identities
        FROM trail JOIN profile USING (id) WHERE trail.merged_into IS NULL
        """,
        ids,
    )
    return {
        record["asked"]: Stamp(
            profile_id=record["id"],
            version=record["version"],
            restricted=record["restricted"],
            row=record["row"],
            traits=record["traits"],
            counters=record["counters"],
            segments=record["segments"] or "",
            consents=record["consents"] or "",
            identities=record["identities"] or "",
        )
        for record in records
    }
