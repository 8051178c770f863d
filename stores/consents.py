"""What people have said about each purpose."""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from domain.consent import Consent, Purpose, State
from privacy.ledger.record import Word
from stores.ledger.records import append_records
from stores.postgres import Connection


class Statement(msgspec.Struct, frozen=True):
    """One purpose's statement of one person, with what the ledger is to know of it besides."""

    subject_id: UUID
    consent: Consent
    signal: bytes | None = None
    """`privacy.ledger.record.digest_signal` of what was sent."""
    notice: str | None = None
    """The site's own name for the text that it showed."""


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


async def store_consents(
    connection: Connection, workspace: UUID, statements: Iterable[Statement], *, plan: int = 0
) -> list[int]:
    """Record statements in the ledger, in their order, and store the last word of each subject on each purpose.

    One transaction for both. An older statement is recorded and never replaces a newer; of two at the same instant
    the refusal stays. A refusal that follows Global Privacy Control only confirms it: that stays the source, until a
    grant ends it. Returns the numbers of the records. `plan` is the version of the tracking plan in use.
    """
    said = list(statements)
    async with connection.transaction():
        seqs = await append_records(connection, workspace, [_word(statement, plan) for statement in said])
        last: dict[tuple[UUID, str], tuple[Consent, int]] = {}
        for statement, seq in zip(said, seqs, strict=True):
            key = (statement.subject_id, statement.consent.purpose.value)
            if key not in last or _outranks(statement.consent, last[key][0]):
                last[key] = (statement.consent, seq)
        await _store(connection, workspace, last)
    return seqs


async def _store(connection: Connection, workspace: UUID, last: dict[tuple[UUID, str], tuple[Consent, int]]) -> None:
    rows = [(subject, purpose, *last[subject, purpose]) for subject, purpose in sorted(last)]
    await connection.execute(
        """
        INSERT INTO consent (workspace_id, subject_id, purpose, state, source, at, seq, since)
        SELECT $1, *, at
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[])
            AS new (subject_id, purpose, state, source, at, seq)
        ON CONFLICT (workspace_id, subject_id, purpose) DO UPDATE SET
            state = excluded.state,
            at = excluded.at,
            seq = excluded.seq,
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
        [subject for subject, _, _, _ in rows],
        [purpose for _, purpose, _, _ in rows],
        [consent.state.value for _, _, consent, _ in rows],
        [consent.source for _, _, consent, _ in rows],
        [consent.at for _, _, consent, _ in rows],
        [seq for _, _, _, seq in rows],
    )


def _outranks(later: Consent, earlier: Consent) -> bool:
    return later.at > earlier.at or (later.at == earlier.at and later.state is not State.GRANTED)


def _word(statement: Statement, plan: int) -> Word:
    consent = statement.consent
    return Word(
        subject=statement.subject_id,
        purpose=consent.purpose,
        state=consent.state,
        source=consent.source,
        said_at=consent.at,
        signal=statement.signal,
        plan=plan,
        notice=statement.notice,
    )
