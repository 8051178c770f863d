-- The keys of a workspace in versions, so that each can be replaced while everything runs.

CREATE TABLE workspace_key (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    use text NOT NULL CHECK (use IN ('wrap', 'index')),
    version smallint NOT NULL CHECK (version > 0),
    wrapped_key bytea,                              -- by the master key; null: derived from the workspace's, or destroyed
    state text NOT NULL CHECK (state IN ('coming', 'active', 'leaving', 'retired', 'destroyed')),
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, use, version)
);
-- What a rotation relies on, whoever makes a mistake.
CREATE UNIQUE INDEX workspace_key_active ON workspace_key (workspace_id, use) WHERE state = 'active';
CREATE UNIQUE INDEX workspace_key_coming ON workspace_key (workspace_id, use) WHERE state = 'coming';

ALTER TABLE workspace_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE workspace_key FORCE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON workspace_key TO tagway_app USING (workspace_id = current_workspace());
CREATE POLICY every_workspace ON workspace_key TO tagway_worker USING (true);
GRANT SELECT ON workspace_key TO tagway_app;
GRANT SELECT, INSERT, UPDATE ON workspace_key TO tagway_worker;

-- Raised by each change to the workspace's keys. A workspace without rows above has version 1 of each use.
ALTER TABLE workspace ADD COLUMN key_stamp bigint NOT NULL DEFAULT 0;

-- Holds a workspace's keys still until the end of the transaction, together with whoever else does, and tells their
-- stamp. Volatile, so that what it reads is as of after the lock and not of when its statement began.
CREATE FUNCTION hold_keys(held uuid) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    stamp bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('keys:' || held, 0));
    SELECT key_stamp INTO stamp FROM workspace WHERE id = held;
    RETURN stamp;
END
$$;
