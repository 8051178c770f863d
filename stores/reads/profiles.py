"""What is known of people, read for many at once: each function is one statement, whatever the number asked for.

Every statement runs on a connection of `Database.workspace`, where row-level security keeps to one workspace.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.alias import Alias, AliasKind
from domain.consent import Consent, Purpose, State
from stores.postgres import Connection


class ProfileRow(msgspec.Struct, frozen=True):
    """One profile; of its traits only the plain ones, as `{name: value}`."""

    id: UUID
    version: int
    traits: dict[str, Any]
    counters: dict[str, int]
    first_seen_at: datetime
    last_seen_at: datetime
    restricted_at: datetime | None = None
    """Since when it is only stored, at the person's wish."""
    stated: dict[str, dict[str, Any]] = {}
    """The traits as they are stored, with the time and source of each."""


class Identity(msgspec.Struct, frozen=True):
    """That a profile has an identifier of this kind; never which."""

    kind: AliasKind
    first_seen_at: datetime


class Recent(msgspec.Struct, frozen=True):
    """A place in the list of profiles, the most recently seen first."""

    last_seen_at: datetime
    id: UUID


class Person(msgspec.Struct, frozen=True):
    """A profile, with the person's last word on each purpose."""

    row: ProfileRow
    consents: list[Consent]
    objects: bool
    """Whether they have asked not to be profiled."""


def profile_row(record: asyncpg.Record) -> ProfileRow:
    """Make the row of a record that holds the columns of `profile`."""
    return ProfileRow(
        id=record["id"],
        version=record["version"],
        traits={name: stated["v"] for name, stated in record["traits"].items()},
        counters=record["counters"],
        first_seen_at=record["first_seen_at"],
        last_seen_at=record["last_seen_at"],
        restricted_at=record["restricted_at"],
        stated=record["traits"],
    )


async def by_ids(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, ProfileRow]:
    """Find profiles by the id that was asked for; one that was merged away answers as the one it became."""
    records = await connection.fetch(
        """
        WITH RECURSIVE trail AS (
            SELECT id AS asked, id, merged_into FROM profile WHERE id = ANY($1)
            UNION
            SELECT asked, next.id, next.merged_into FROM trail JOIN profile AS next ON next.id = trail.merged_into
        )
        SELECT asked, id, version, traits, counters, first_seen_at, last_seen_at, restricted_at
        FROM trail JOIN profile USING (id) WHERE trail.merged_into IS NULL
        """,
        ids,
    )
    return {record["asked"]: profile_row(record) for record in records}


async def named(connection: Connection, people: Sequence[Sequence[Alias]]) -> list[Person | None]:
    """Find people by identifiers, of which the first that is known counts; None for whom nobody knows.

    One whose profile was not built yet is not found either.
    """
    aliases = [(number, alias) for number, each in enumerate(people) for alias in each]
    records = await connection.fetch(
        """
        WITH RECURSIVE owner AS (
            SELECT DISTINCT ON (wanted.person) wanted.person, subject.profile_id AS id
            FROM unnest($1::int[], $2::text[], $3::smallint[], $4::bytea[])
                WITH ORDINALITY AS wanted (person, kind, version, index, place)
            JOIN alias USING (kind, version, index)
            JOIN subject ON subject.id = alias.subject_id
            ORDER BY wanted.person, wanted.place
        ), trail AS (
            SELECT person, id, merged_into FROM owner JOIN profile USING (id)
            UNION
            SELECT person, next.id, next.merged_into FROM trail JOIN profile AS next ON next.id = trail.merged_into
        )
        SELECT person, id, version, traits, counters, first_seen_at, last_seen_at, restricted_at,
            objected_at IS NOT NULL AS objects, said.*
        FROM trail JOIN profile USING (id) CROSS JOIN LATERAL (
            SELECT array_agg(purpose) AS purposes, array_agg(state) AS states, array_agg(source) AS sources,
                array_agg(at) AS said_at, array_agg(since) AS since
            FROM (
                SELECT DISTINCT ON (purpose) purpose, state, source, at, since
                FROM subject JOIN consent ON consent.subject_id = subject.id
                WHERE subject.profile_id = profile.id
                ORDER BY purpose, at DESC, state = 'granted'
            ) AS word
        ) AS said
        WHERE trail.merged_into IS NULL
        """,
        [number for number, _ in aliases],
        [alias.kind for _, alias in aliases],
        [alias.version for _, alias in aliases],
        [alias.index for _, alias in aliases],
    )
    found: list[Person | None] = [None] * len(people)
    for record in records:
        found[record["person"]] = Person(profile_row(record), _words(record), record["objects"])
    return found


def _words(record: asyncpg.Record) -> list[Consent]:
    columns = (record[name] or () for name in ("purposes", "states", "sources", "said_at", "since"))
    return [
        Consent(purpose=Purpose(purpose), state=State(state), source=source, at=at, since=since)
        for purpose, state, source, at, since in zip(*columns, strict=True)
    ]


async def successors(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Name, for those of `ids` that were merged away, the profile they became."""
    records = await connection.fetch(
        """
        WITH RECURSIVE trail AS (
            SELECT id AS asked, merged_into AS id FROM profile WHERE id = ANY($1) AND merged_into IS NOT NULL
            UNION
            SELECT asked, next.merged_into FROM trail JOIN profile AS next USING (id) WHERE next.merged_into IS NOT NULL
        )
        SELECT asked, id FROM trail JOIN profile USING (id) WHERE merged_into IS NULL
        """,
        ids,
    )
    return {record["asked"]: record["id"] for record in records}


async def of_aliases(connection: Connection, aliases: Sequence[Alias]) -> dict[Alias, UUID]:
    """Name the profile of each known identifier. The profile itself may not have been built yet."""
    records = await connection.fetch(
        """
        SELECT wanted.place, subject.profile_id
        FROM unnest($1::text[], $2::smallint[], $3::bytea[]) WITH ORDINALITY AS wanted (kind, version, index, place)
        JOIN alias USING (kind, version, index)
        JOIN subject ON subject.id = alias.subject_id
        """,
        [alias.kind for alias in aliases],
        [alias.version for alias in aliases],
        [alias.index for alias in aliases],
    )
    return {aliases[record["place"] - 1]: record["profile_id"] for record in records}


async def page(connection: Connection, size: int, after: Recent | None) -> list[ProfileRow]:
    """List `size` profiles that may be used, from a place on, the most recently seen first."""
    records = await connection.fetch(
        """
        SELECT id, version, traits, counters, first_seen_at, last_seen_at, restricted_at FROM profile
        WHERE merged_into IS NULL AND restricted_at IS NULL
            AND ($1::timestamptz IS NULL OR (last_seen_at <= $1 AND (last_seen_at < $1 OR id > $2)))
        ORDER BY last_seen_at DESC, id LIMIT $3
        """,
        after and after.last_seen_at,
        after and after.id,
        size,
    )
    return [profile_row(record) for record in records]


async def count(connection: Connection, at_most: int) -> int:
    """Count the profiles that may be used, stopping at `at_most`."""
    found: int = await connection.fetchval(
        """
        SELECT count(*) FROM (
            SELECT FROM profile WHERE merged_into IS NULL AND restricted_at IS NULL LIMIT $1
        ) AS counted
        """,
        at_most,
    )
    return found


async def identities(connection: Connection, profiles: Sequence[UUID]) -> dict[UUID, list[Identity]]:
    """List which kinds of identifiers each profile has, the first seen first.

    One that is indexed under two versions of a key, during a rotation, is seen first at the same moment under both.
    """
    records = await connection.fetch(
        """
        SELECT DISTINCT ON (profile_id, kind, first_seen_at, place) profile_id, kind, first_seen_at FROM (
            SELECT subject.profile_id, alias.kind, alias.first_seen_at, row_number() OVER (
                PARTITION BY subject.profile_id, alias.kind, alias.version, alias.first_seen_at
            ) AS place
            FROM subject JOIN alias ON alias.subject_id = subject.id
            WHERE subject.profile_id = ANY($1) AND NOT alias.spelling
        ) AS indexed
        ORDER BY first_seen_at, kind, profile_id, place
        """,
        profiles,
    )
    found: dict[UUID, list[Identity]] = {}
    for record in records:
        identity = Identity(kind=AliasKind(record["kind"]), first_seen_at=record["first_seen_at"])
        found.setdefault(record["profile_id"], []).append(identity)
    return found


async def consents(connection: Connection, profiles: Sequence[UUID]) -> dict[UUID, list[Consent]]:
    """List each profile's last word per purpose over all its subjects; of two at one instant the refusal counts."""
    records = await connection.fetch(
        """
        SELECT DISTINCT ON (subject.profile_id, consent.purpose)
            subject.profile_id, consent.purpose, consent.state, consent.source, consent.at, consent.since
        FROM subject JOIN consent ON consent.subject_id = subject.id
        WHERE subject.profile_id = ANY($1)
        ORDER BY subject.profile_id, consent.purpose, consent.at DESC, consent.state = 'granted'
        """,
        profiles,
    )
    found: dict[UUID, list[Consent]] = {}
    for record in records:
        consent = Consent(
            purpose=Purpose(record["purpose"]),
            state=State(record["state"]),
            source=record["source"],
            at=record["at"],
            since=record["since"],
        )
        found.setdefault(record["profile_id"], []).append(consent)
    return found
