-- What people ask of us: requests with their steps and receipts, who has been erased, and what is held back.

CREATE TABLE privacy_request (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    id uuid NOT NULL,
    kind text NOT NULL,
    regime text NOT NULL CHECK (regime IN ('gdpr', 'ccpa')),
    status text NOT NULL CHECK (status IN ('received', 'working', 'done', 'failed')),
    actor text NOT NULL,
    reason text NOT NULL,
    named jsonb NOT NULL,                           -- blind indexes of the identifiers that it was made by
    profile_id uuid,                                -- whom it was about, also when they are gone
    found jsonb NOT NULL DEFAULT '{}',              -- ids and blind indexes of whom an erasure is about, while it is worked on
    received_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    extended_at timestamptz,
    extension_reason text,
    steps jsonb NOT NULL DEFAULT '[]',              -- [{"name": …, "at": …, "counts": {…}}]: what need not be done again
    planned smallint NOT NULL DEFAULT 0,            -- how many steps there are
    retry_at timestamptz NOT NULL,                  -- not to be worked on before: a store was away
    finished_at timestamptz,
    error text,
    sealed_for uuid,                                -- the subject under whose data key `stated` and `result` are sealed
    stated bytea,                                   -- new values of a rectification
    result bytea,                                   -- the answer, until it expires
    expires_at timestamptz,
    receipt jsonb,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX privacy_request_waiting ON privacy_request (retry_at, id) WHERE finished_at IS NULL;
CREATE INDEX privacy_request_expiring ON privacy_request (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX privacy_request_by_profile ON privacy_request (workspace_id, profile_id);

-- Who is gone: events of theirs that are still on the log are passed over, and never become dead letters.
CREATE TABLE erasure (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    subject_id uuid NOT NULL,
    profile_id uuid NOT NULL,
    request_id uuid,                                -- null when a restored backup was brought up to date
    seq bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, subject_id)
);
CREATE INDEX erasure_by_seq ON erasure (seq);

ALTER TABLE profile
    ADD COLUMN restricted_at timestamptz,           -- stored, not used
    ADD COLUMN objected_at timestamptz,             -- in no segment, in no model
    ADD COLUMN limited_at timestamptz;              -- sensitive fields only for what was asked for
CREATE INDEX profile_by_successor ON profile (workspace_id, merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX profile_held_back ON profile (workspace_id, id) WHERE restricted_at IS NOT NULL OR objected_at IS NOT NULL;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['privacy_request', 'erasure'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_workspace ON %I TO tagway_app USING (workspace_id = current_workspace())', name);
        EXECUTE format('CREATE POLICY every_workspace ON %I TO tagway_worker USING (true)', name);
    END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE ON privacy_request TO tagway_app, tagway_worker;
GRANT SELECT ON erasure TO tagway_app;
GRANT SELECT, INSERT ON erasure TO tagway_worker;
GRANT USAGE ON SEQUENCE erasure_seq_seq TO tagway_worker;

-- Records of people who are erased are emptied where they lie; their offsets stay.
GRANT UPDATE ON log_record TO tagway_worker;
