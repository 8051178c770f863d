-- What the ledger says of records that only stand for others, and of those that nobody can open any more.

-- Who says the same thing again moves `at` of the stored word and is counted, while the record that it rests on is of
-- the same day.

ALTER TABLE consent ADD COLUMN repeats bigint NOT NULL DEFAULT 0; -- how often it was said again since its record

-- Records whose opening went with their person, as whoever held the workspace's keys says. One row per record, so that
-- nobody learns which of them were about the same person.
CREATE TABLE ledger_closing (
    workspace_id uuid NOT NULL REFERENCES workspace,
    seq bigint NOT NULL,
    mark bytea NOT NULL,                            -- HMAC-SHA256 of the number, under a key of the workspace
    PRIMARY KEY (workspace_id, seq)
);
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_closing
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE ledger_closing ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger_closing FORCE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON ledger_closing TO tagway_app USING (workspace_id = current_workspace());
CREATE POLICY every_workspace ON ledger_closing TO tagway_worker USING (true);
GRANT SELECT, INSERT ON ledger_closing TO tagway_app, tagway_worker;

-- Of the records up to here nobody can say any more whether their opening went with their person.
ALTER TABLE ledger_head ADD COLUMN closed_after bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger_head NO FORCE ROW LEVEL SECURITY; -- the owner itself is to see every row, for once
UPDATE ledger_head SET closed_after = size;
ALTER TABLE ledger_head FORCE ROW LEVEL SECURITY;
