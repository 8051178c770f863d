-- Who saw which personal data of whom, and why. Written and committed before the data leaves; never changed.

CREATE TABLE access_log (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    seq bigint NOT NULL,                            -- from 1, without gaps
    at timestamptz NOT NULL,
    actor text NOT NULL,                            -- `key:<id>`, `end user`, `cli`, `job:<request id>`
    action text NOT NULL,                           -- `detokenize`, `export`, …
    profile_id uuid NOT NULL,
    fields text[] NOT NULL,                         -- paths, never values
    purpose text NOT NULL,
    reason text NOT NULL,
    previous bytea NOT NULL,                        -- hash of the entry before; 32 zero bytes for the first
    hash bytea NOT NULL,
    PRIMARY KEY (workspace_id, seq)
);
CREATE INDEX access_log_by_profile ON access_log (workspace_id, profile_id, seq);
CREATE INDEX access_log_by_time ON access_log (workspace_id, at);

ALTER TABLE access_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_log FORCE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON access_log TO tagway_app USING (workspace_id = current_workspace());
CREATE POLICY every_workspace ON access_log TO tagway_worker USING (true);
GRANT SELECT, INSERT ON access_log TO tagway_app, tagway_worker;
