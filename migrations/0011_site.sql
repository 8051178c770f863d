-- What the tag of a site is told: one document per write key, in the words of the tag's settings.

CREATE TABLE site (
    key_id uuid PRIMARY KEY REFERENCES api_key ON DELETE CASCADE,
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    settings jsonb NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX site_by_workspace ON site (workspace_id);

ALTER TABLE site ENABLE ROW LEVEL SECURITY;
ALTER TABLE site FORCE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON site TO tagway_app USING (workspace_id = current_workspace());
CREATE POLICY every_workspace ON site TO tagway_worker USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON site TO tagway_app, tagway_worker;
