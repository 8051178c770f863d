-- What the tracking plan takes away: fields that it never let in, and data whose time is over.

-- Names of fields that were left out, never values: what operators lose while the plan does not name it.
CREATE TABLE dropped_field (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    day date NOT NULL,
    path text NOT NULL,
    reason text NOT NULL,
    count bigint NOT NULL,
    last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, day, path, reason)
);

-- How far each part of a sweep has come, so that any builder may go on with it.
CREATE TABLE sweep (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    part text NOT NULL,
    plan_version integer NOT NULL,                  -- another plan may take more: the part begins again
    place jsonb,                                    -- null: at the end
    begun_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, part)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['dropped_field', 'sweep'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_workspace ON %I TO tagway_app USING (workspace_id = current_workspace())', name);
        EXECUTE format('CREATE POLICY every_workspace ON %I TO tagway_worker USING (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tagway_app, tagway_worker', name);
    END LOOP;
END
$$;

-- A change's own time may lie before its commit, so it does not tell how long subscribers could read it.
ALTER TABLE segment_change ADD COLUMN written_at timestamptz NOT NULL DEFAULT now();

-- Events are swept in the order of their receipt, which is nearly that of their insertion: cheap to keep up.
CREATE INDEX event_by_receipt ON event (workspace_id, received_at, message_id);
CREATE INDEX message_seen_by_receipt ON message_seen USING brin (received_at) WITH (pages_per_range = 16);
