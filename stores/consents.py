"""What people have said about each purpose."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from domain.consent import Consent, Purpose, State
from privacy.ledger.record import Word
from stores.ledger.records import append_records
from stores.postgres import Connection
from stores.repeats import Key, Standing, count_repeats, find_standing


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
    grant ends it. One that repeats the word in force, within a day of its record, is counted and rests on that record.
    Returns the numbers of the records. `plan` is the version of the tracking plan in use.
    """
    words = [_word(statement, plan) for statement in statements]
    async with connection.transaction():
        stored = await find_standing(connection, workspace, {(word.subject, word.purpose) for word in words})
        found = _sorted_out(words, stored)
        news = list({id(each): each for each in found if each.seq is None}.values())
        await _append(connection, workspace, news)
        repeated = {key: standing for key, standing in stored.items() if standing.repeats}
        if repeated and (overtaken := await count_repeats(connection, workspace, repeated)):
            again = [repeated[key] for key in sorted(overtaken)]
            await _append(connection, workspace, again)
            news += again
        await _store(connection, workspace, news)
    return [each.seq or 0 for each in found]


def _sorted_out(words: Iterable[Word], stored: Mapping[Key, Standing]) -> list[Standing]:
    """Find for each word the standing one that it repeats, or that it is to be."""
    standing = dict(stored)
    found = []
    for word in words:
        key = word.subject, word.purpose
        known = standing.get(key)
        if known is not None and known.is_repeated_by(word):
            known.repeat(word.said_at)
        else:
            is_same = known is not None and known.state is word.state
            today = known.today + 1 if known is not None and is_same else 1
            known = standing[key] = Standing(word.state, word.source, word.said_at, word, None, today=today)
        found.append(known)
    return found


async def _append(connection: Connection, workspace: UUID, said: Sequence[Standing]) -> None:
    for each, seq in zip(
        said, await append_records(connection, workspace, [each.record for each in said]), strict=True
    ):
        each.seq = seq


async def _store(connection: Connection, workspace: UUID, said: Iterable[Standing]) -> None:
    """Store those words that are the last."""
    last: dict[Key, Standing] = {}
    for each in said:
        key = each.record.subject, each.record.purpose
        if key not in last or _outranks(each, last[key]):
            last[key] = each
    rows = [(*key, last[key]) for key in sorted(last)]
    if not rows:
        return
    await connection.execute(
        """
        INSERT INTO consent (workspace_id, subject_id, purpose, state, source, at, seq, repeats, since)
        SELECT $1, *, at
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[], $8::bigint[])
            AS new (subject_id, purpose, state, source, at, seq, repeats)
        ON CONFLICT (workspace_id, subject_id, purpose) DO UPDATE SET
            state = excluded.state,
            at = excluded.at,
            seq = excluded.seq,
            repeats = excluded.repeats,
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
        [purpose.value for _, purpose, _ in rows],
        [each.state.value for _, _, each in rows],
        [each.source for _, _, each in rows],
        [each.at for _, _, each in rows],
        [each.seq for _, _, each in rows],
        [each.repeats for _, _, each in rows],
    )


def _outranks(later: Standing, earlier: Standing) -> bool:
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
