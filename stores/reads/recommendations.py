"""What a recommendation needs to know of people, read for many at once on a connection of `Database.workspace`."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from domain.consent import State
from domain.item import Interaction
from stores.mentions import MENTIONED
from stores.postgres import Connection


class Standing(msgspec.Struct, frozen=True):
    """How things stand with a profile: at which version it is, and its last word on personalisation if it gave one."""

    version: int
    word: State | None


class Wish(msgspec.Struct, frozen=True):
    """One interaction, and whether it was collected for personalisation."""

    interaction: Interaction
    for_personalization: bool


async def standings(connection: Connection, profiles: Sequence[UUID]) -> dict[UUID, Standing]:
    """Tell how things stand with the profiles, as far as they exist and have not asked to be left alone."""
    records = await connection.fetch(
        """
        SELECT profile.id, profile.version, said.state
        FROM profile LEFT JOIN LATERAL (
            SELECT consent.state FROM subject JOIN consent ON consent.subject_id = subject.id
            WHERE subject.profile_id = profile.id AND consent.purpose = 'personalization'
            ORDER BY consent.at DESC, consent.state = 'granted' LIMIT 1
        ) AS said ON true
        WHERE profile.id = ANY($1::uuid[]) AND restricted_at IS NULL AND objected_at IS NULL
        """,
        profiles,
    )
    return {
        record["id"]: Standing(record["version"], State(record["state"]) if record["state"] else None)
        for record in records
    }


async def wishes(
    connection: Connection, profiles: Sequence[UUID], names: Sequence[str], most: int
) -> dict[UUID, list[Wish]]:
    """List each profile's newest interactions, the newest first; an event about several items gives one for each."""
    records = await connection.fetch(
        f"""
        SELECT wanted.id AS profile_id, story.*
        FROM unnest($1::uuid[]) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT event.name, event.at, thing.item, thing.rating, event.allowed
            FROM subject CROSS JOIN LATERAL (
                SELECT name, at, message_id, properties, 'personalization' = ANY(purposes) AS allowed FROM event
                WHERE event.subject_id = subject.id AND event.name = ANY($2::text[])
                ORDER BY event.at DESC, event.message_id LIMIT $3
            ) AS event {MENTIONED}
            WHERE subject.profile_id = wanted.id
            ORDER BY event.at DESC, event.message_id LIMIT $3
        ) AS story
        ORDER BY wanted.id, story.at DESC
        """,  # noqa: S608 - a constant
        profiles,
        list(names),
        most,
    )
    found: dict[UUID, list[Wish]] = {}
    for record in records:
        interaction = Interaction(record["item"], record["name"], record["at"], record["rating"])
        found.setdefault(record["profile_id"], []).append(Wish(interaction, record["allowed"]))
    return found
