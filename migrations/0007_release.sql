-- How personal data leaves: tokens that stand for it, who may look how often, and the spellings an identifier is met in.

-- True where the row is a further spelling of an identifier (for another platform's digest) that has a row of its own.
ALTER TABLE alias ADD COLUMN spelling boolean NOT NULL DEFAULT false;

-- Random tokens that stand for one field of one person. The field itself stays where it is, under the person's key.
CREATE TABLE vault_token (
    workspace_id uuid NOT NULL,
    hash bytea NOT NULL,                            -- SHA-256 of the token: it is long and random, so no salt is needed
    subject_id uuid NOT NULL,                       -- whoever carries this subject is meant
    path text NOT NULL,                             -- `traits.email`
    purpose text NOT NULL,                          -- what it was issued for, and may be exchanged for
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, hash),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subject ON DELETE CASCADE
);
CREATE INDEX vault_token_by_subject ON vault_token (workspace_id, subject_id);
CREATE INDEX vault_token_by_expiry ON vault_token (expires_at);

ALTER TABLE vault_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE vault_token FORCE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON vault_token TO tagway_app USING (workspace_id = current_workspace());
CREATE POLICY every_workspace ON vault_token TO tagway_worker USING (true);
GRANT SELECT, INSERT, DELETE ON vault_token TO tagway_app, tagway_worker;

-- What one key saw, lately or in some hours: for its limits, and for the report after a breach.
CREATE INDEX access_log_by_actor ON access_log (workspace_id, actor, at) INCLUDE (profile_id);
