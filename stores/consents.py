"""What people have said about each purpose."""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from domain.consent import Consent, Purpose
from stores.postgres import Connection


class Statement(msgspec.Struct, frozen=True):
    """One purpose's statement of one person."""

    subject_id: UUID
    consent: Consent


async def consent_times(
    connection: Connection, workspace: UUID, profiles: Collection[UUID]
) -> dict[tuple[UUID, Purpose], datetime]:
    """Tell when the last word on each purpose was spoken, over all subjects of each profile."""
    rows = await connection.fetch(
        """
        SELECT subject.profile_id, consent.purpose, max(consent.at)
        FROM subject
        JOIN consent ON consent.workspace_id = subject.workspace_id AND consent.subject_id = subject.id
        WHERE subject.workspace_id = $1 AND subject.profile_id = ANY($2::uuid[])
        GROUP BY subject.profile_id, consent.purpose
        """,
        workspace,
        list(profiles),
    )
    return {(profile, Purpose(purpose)): at for profile, purpose, at in rows}


async def store_consents(connection: Connection, workspace: UUID, statements: Iterable[Statement]) -> None:
    """Store statements, at most one per subject and purpose; an older one never replaces a newer.

    Of two at the same instant the refusal stays. A refusal that follows Global Privacy Control only confirms it: that
    stays the source, until a grant ends it.
    """
    rows = sorted(
        (statement.subject_id, statement.consent.purpose.value, statement.consent) for statement in statements
    )
    await connection.execute(
        """
        INSERT INTO consent (workspace_id, subject_id, purpose, state, source, at, since)
        SELECT $1, *, at FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
            AS new (subject_id, purpose, state, source, at)
        ON CONFLICT (workspace_id, subject_id, purpose) DO UPDATE SET
            state = excluded.state,
            at = excluded.at,
            (source, since) = (
                SELECT CASE WHEN stands THEN consent.source ELSE excluded.source END,
                    CASE WHEN stands THEN coalesce(consent.since, consent.at) ELSE excluded.at END
                FROM (
                    SELECT (consent.state = 'granted') = (excluded.state = 'granted')
                        AND consent.source IN (excluded.source, 'gpc') AS stands
                ) AS word
            )
        WHERE consent.at < excluded.at OR consent.at = excluded.at AND excluded.state <> 'granted'
        """,
        workspace,
        [subject for subject, _, _ in rows],
        [purpose for _, purpose, _ in rows],
        [consent.state.value for _, _, consent in rows],
        [consent.source for _, _, consent in rows],
        [consent.at for _, _, consent in rows],
    )
