"""What a recommendation needs to know of people, read for many at once on a connection of `Database.workspace`."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from domain.alias import Alias
from domain.consent import State
from domain.item import Interaction
from stores.mentions import MENTIONED
from stores.postgres import Connection

_COLUMNS: Final = ("items", "names", "at", "ratings", "allowed")


class Standing(msgspec.Struct, frozen=True):
    """How things stand with a profile: at which version it is, and its last word on personalisation if it gave one."""

    version: int
    word: State | None


class Wish(msgspec.Struct, frozen=True):
    """One interaction, and whether it was collected for personalisation."""

    interaction: Interaction
    for_personalization: bool


class Past(msgspec.Struct, frozen=True):
    """What one profile did, the newest first."""

    lately: list[Wish]
    bought: list[Wish]


def _newest(part: str, names: int, most: int) -> str:
    """Read the newest interactions of a profile as arrays: a row for each costs the client several times as much."""
    columns = ("item", "name", "at", "rating", "allowed")
    arrays = ", ".join(f"array_agg({column}) AS {part}_{name}" for column, name in zip(columns, _COLUMNS, strict=True))
    return f"""
        CROSS JOIN LATERAL (
            SELECT {arrays} FROM (
                SELECT event.name, event.at, thing.item, thing.rating, event.allowed
                FROM subject CROSS JOIN LATERAL (
                    SELECT name, at, message_id, properties, 'personalization' = ANY(purposes) AS allowed FROM event
                    WHERE event.subject_id = subject.id AND event.name = ANY(${names}::text[])
                    ORDER BY event.at DESC, event.message_id LIMIT ${most}
                ) AS event {MENTIONED}
                WHERE subject.profile_id = wanted.id
                ORDER BY event.at DESC, event.message_id LIMIT ${most}
            ) AS newest
        ) AS {part}
    """  # noqa: S608 - constants


_PASTS: Final = f"""
    SELECT * FROM unnest($1::uuid[]) AS wanted (id) {_newest("lately", 2, 3)} {_newest("bought", 4, 5)}
"""  # noqa: S608 - constants


_SAID: Final = """
    LEFT JOIN LATERAL (
        SELECT consent.state FROM subject JOIN consent ON consent.subject_id = subject.id
        WHERE subject.profile_id = profile.id AND consent.purpose = 'personalization'
        ORDER BY consent.at DESC, consent.state = 'granted' LIMIT 1
    ) AS said ON true
    WHERE restricted_at IS NULL AND objected_at IS NULL
"""


async def standings(connection: Connection, profiles: Sequence[UUID]) -> dict[UUID, Standing]:
    """Tell how things stand with the profiles, as far as they exist and have not asked to be left alone."""
    records = await connection.fetch(
        f"SELECT profile.id, version, said.state FROM profile {_SAID} AND profile.id = ANY($1::uuid[])",  # noqa: S608 - constants
        profiles,
    )
    return {record["id"]: _standing(record) for record in records}


async def standing_of(connection: Connection, aliases: Sequence[Alias]) -> tuple[UUID, Standing] | None:
    """Tell how things stand with the profile that one of these identifiers belongs to, the first if several do."""
    record = await connection.fetchrow(
        f"""
        SELECT profile.id, profile.version, said.state
        FROM unnest($1::text[], $2::smallint[], $3::bytea[]) WITH ORDINALITY AS wanted (kind, version, index, place)
        JOIN alias USING (kind, version, index)
        JOIN subject AS named ON named.id = alias.subject_id
        JOIN profile ON profile.id = named.profile_id {_SAID}
        ORDER BY wanted.place LIMIT 1
        """,  # noqa: S608 - constants
        [alias.kind for alias in aliases],
        [alias.version for alias in aliases],
        [alias.index for alias in aliases],
    )
    return (record["id"], _standing(record)) if record else None


async def pasts(
    connection: Connection,
    profiles: Sequence[UUID],
    *,
    names: Sequence[str],
    most: int,
    bought: Sequence[str],
    most_bought: int,
) -> dict[UUID, Past]:
    """Read each profile's newest interactions, and its newest of some names beside them: one statement for all.

    An event about several items gives one interaction for each. Profiles without any are left out.
    """
    records = await connection.fetch(_PASTS, profiles, list(names), most, list(bought), most_bought)
    return {
        record["id"]: Past(lately=_wishes(record, "lately"), bought=_wishes(record, "bought"))
        for record in records
        if record["lately_items"]
    }


def _wishes(record: asyncpg.Record, part: str) -> list[Wish]:
    columns = (record[f"{part}_{column}"] or () for column in _COLUMNS)
    return [
        Wish(Interaction(item, name, at, rating), allowed)
        for item, name, at, rating, allowed in zip(*columns, strict=True)
    ]


def _standing(record: asyncpg.Record) -> Standing:
    return Standing(record["version"], State(record["state"]) if record["state"] else None)
