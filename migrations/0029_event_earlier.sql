-- Until now all events lay in `event_default`. They become the first part of a table cut by quarters: see 0031. Postgres reads
-- all of it under a lock unless a constraint tells where it ends, so this tells it, and 0030 has it proved while events come.
-- It ends with a quarter that begins in 90 days or later, for what lies behind its end is refused until 0031 has run.
DO $$
DECLARE
    newest timestamptz;
    ends timestamptz;
BEGIN
    IF EXISTS (
        SELECT FROM pg_inherits WHERE inhparent = 'event'::regclass AND inhrelid <> 'event_default'::regclass
    ) THEN
        RAISE EXCEPTION 'the table event has partitions that Tagway has not made'
            USING HINT = 'Bring their rows into event_default, detach and drop them, and migrate again.';
    END IF;
    LOCK TABLE event_default IN ACCESS EXCLUSIVE MODE;
    -- One workspace after the other, as the index has them, and of each its newest.
    WITH RECURSIVE tenant (id) AS (
        (SELECT workspace_id FROM event_default ORDER BY workspace_id LIMIT 1)
        UNION ALL
        SELECT (SELECT workspace_id FROM event_default WHERE workspace_id > id ORDER BY workspace_id LIMIT 1)
        FROM tenant WHERE id IS NOT NULL
    )
    SELECT max((SELECT max(received_at) FROM event_default WHERE workspace_id = id)) INTO newest FROM tenant;
    ends := (date_trunc('quarter', greatest(newest, now() + interval '90 days') AT TIME ZONE 'UTC')
        + interval '3 months') AT TIME ZONE 'UTC';
    EXECUTE format(
        'ALTER TABLE event_default ADD CONSTRAINT event_earlier_ends CHECK (received_at < %L) NOT VALID', ends
    );
END
$$;
