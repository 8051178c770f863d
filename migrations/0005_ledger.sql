-- The consent ledger: what each person said, in an order that shows every later change.

-- A record is the leaf itself, JSON with sorted keys, so no column can say something else. It holds nothing of the
-- person but a salted commitment, and the hash of the record before it.
CREATE TABLE consent_record (
    workspace_id uuid NOT NULL REFERENCES workspace,
    seq bigint NOT NULL,                            -- from 1, without gaps
    leaf bytea NOT NULL,
    hash bytea NOT NULL,                            -- SHA-256(00 ‖ leaf): the leaf's hash in the Merkle tree of RFC 9162
    PRIMARY KEY (workspace_id, seq)
);

-- Roots of the complete subtrees of 256, 256², … leaves: what lies between is computed again from 256 hashes.
CREATE TABLE ledger_node (
    workspace_id uuid NOT NULL REFERENCES workspace,
    level smallint NOT NULL,                        -- 8, 16, …: the subtree has 2^level leaves
    index bigint NOT NULL,                          -- from 0: it begins at leaf index · 2^level
    hash bytea NOT NULL,
    PRIMARY KEY (workspace_id, level, index)
);

CREATE TABLE ledger_checkpoint (
    workspace_id uuid NOT NULL REFERENCES workspace,
    size bigint NOT NULL,
    note text NOT NULL,                             -- C2SP checkpoint with our Ed25519 signature
    at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, size)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['consent_record', 'ledger_node', 'ledger_checkpoint'] LOOP
        EXECUTE format('CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_workspace ON %I TO tagway_app USING (workspace_id = current_workspace())', name);
        EXECUTE format('CREATE POLICY every_workspace ON %I TO tagway_worker USING (true)', name);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO tagway_app, tagway_worker', name);
    END LOOP;
END
$$;

-- Where a ledger ends. Whoever appends holds the row until its commit, and takes it before any row of `consent`.
CREATE TABLE ledger_head (
    workspace_id uuid PRIMARY KEY REFERENCES workspace ON DELETE CASCADE,
    size bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'), -- of the last record; 32 zero bytes before the first
    frontier bytea[] NOT NULL DEFAULT '{}'          -- roots of the complete subtrees, the largest first
) WITH (fillfactor = 50);

-- How far the records have been told on the topic of consents. A row of its own: nobody who appends waits for it.
CREATE TABLE ledger_outlet (
    workspace_id uuid PRIMARY KEY REFERENCES workspace ON DELETE CASCADE,
    through bigint NOT NULL
);

-- What ties a record to a person. Erased with the person; the record then tells of somebody, and nobody knows of whom.
CREATE TABLE consent_opening (
    workspace_id uuid NOT NULL,
    seq bigint NOT NULL,
    subject_id uuid NOT NULL,
    salt bytea NOT NULL,
    signal bytea,                                   -- SHA-256 of the raw signal; in the leaf it is salted
    PRIMARY KEY (workspace_id, seq),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subject ON DELETE CASCADE
);
CREATE INDEX consent_opening_by_subject ON consent_opening (workspace_id, subject_id, seq);

-- Which record stands for a claim that events make over and over: the same signal of the same person is recorded once.
CREATE TABLE consent_evidence (
    workspace_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    digest bytea NOT NULL,                          -- SHA-256 of the raw signal
    purpose text NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (workspace_id, subject_id, digest, purpose),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subject ON DELETE CASCADE
);
CREATE INDEX consent_evidence_newest ON consent_evidence (workspace_id, subject_id, seq DESC);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ledger_head', 'ledger_outlet', 'consent_opening', 'consent_evidence'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_workspace ON %I TO tagway_app USING (workspace_id = current_workspace())', name);
        EXECUTE format('CREATE POLICY every_workspace ON %I TO tagway_worker USING (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tagway_app, tagway_worker', name);
    END LOOP;
END
$$;

ALTER TABLE consent ADD COLUMN seq bigint;          -- the record of this word; none for words from before the ledger
ALTER TABLE event ADD COLUMN proofs bigint[] NOT NULL DEFAULT '{}'; -- beside `purposes`: the record each rests on
