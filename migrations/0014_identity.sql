-- Identity as a ledger that can be taken back: who was seen with whom, what was decided, and what undid it.

-- A row is never changed and goes only with its person. What it says of identifiers is a blind index of one of them;
-- the other is the first of its event, by which the subject was found.
ALTER TABLE claim
    DROP CONSTRAINT claim_decision_check,
    ADD CONSTRAINT claim_decision_check CHECK (decision IN ('linked', 'merged', 'refused', 'parted')),
    ADD COLUMN by_kind text,                        -- the identifier that led to `subject_id`
    ADD COLUMN kind text,                           -- the identifier that was claimed with it
    ADD COLUMN version smallint,
    ADD COLUMN index bytea,
    ADD COLUMN actor text NOT NULL DEFAULT 'event', -- `event`, `match`, `cli` or `key:<id>`
    ADD COLUMN profile_id uuid,                     -- merged: the profile that stayed; parted: the one that stays
    ADD COLUMN other_profile_id uuid,               -- merged: the profile that gave way; parted: the one that is back
    ADD COLUMN held jsonb,                          -- merged: what either profile held back before
    ADD COLUMN undoes bigint[] NOT NULL DEFAULT '{}'; -- the earlier rows that this one takes back
CREATE INDEX claim_by_other_subject ON claim (workspace_id, other_subject_id);
CREATE INDEX claim_parted ON claim (workspace_id, subject_id) WHERE decision = 'parted';
CREATE INDEX claim_undoing ON claim USING gin (undoes) WHERE undoes <> '{}';
CREATE INDEX claim_by_index ON claim (workspace_id, kind, version, index) WHERE index IS NOT NULL;
CREATE INDEX claim_by_decision ON claim (workspace_id, decision, id DESC);
REVOKE UPDATE ON claim FROM tagway_app, tagway_worker;
-- A rotation of the index key brings the indexes in the ledger along.
GRANT UPDATE (version, index) ON claim TO tagway_worker;

-- What is still counted of events whose time is over, so that a person's counters can be told apart at any time.
CREATE TABLE event_tally (
    workspace_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    name text NOT NULL,                             -- a track's own name, for the other calls their type
    many bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, subject_id, name),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subject ON DELETE CASCADE
);

-- Traits that are worked out of what happened. A new version is applied to all that is there before it serves.
CREATE TABLE trait_definition (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    name text NOT NULL,
    version integer NOT NULL,
    definition jsonb,                               -- null: declared no longer
    status text NOT NULL CHECK (status IN ('building', 'live')),
    built_through uuid,                             -- while building: profiles up to this id have it
    actor text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, name, version)
);

-- Keyed Bloom filters of a name, a birth date, a postcode: two of them tell how alike two values are, and no more.
CREATE TABLE likeness (
    workspace_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    field text NOT NULL CHECK (field IN ('name', 'birth_date', 'postcode')),
    bits bytea NOT NULL,
    at timestamptz NOT NULL,
    compared boolean NOT NULL DEFAULT false,
    PRIMARY KEY (workspace_id, subject_id, field),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subject ON DELETE CASCADE
);
-- Only people who agree exactly in one of the two are ever compared.
CREATE INDEX likeness_block ON likeness (workspace_id, field, bits) WHERE field <> 'name';

CREATE INDEX likeness_waiting ON likeness (workspace_id, subject_id) WHERE NOT compared;

CREATE TABLE match_candidate (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    other_subject_id uuid NOT NULL,
    score real NOT NULL,                            -- 0 to 1
    scores jsonb NOT NULL,                          -- by field
    status text NOT NULL CHECK (status IN ('open', 'accepted', 'rejected', 'merged')),
    found_at timestamptz NOT NULL,
    decided_at timestamptz,
    actor text,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, subject_id, other_subject_id),
    CHECK (subject_id < other_subject_id),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subject ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, other_subject_id) REFERENCES subject ON DELETE CASCADE
);
CREATE INDEX match_candidate_open ON match_candidate (workspace_id, score DESC, id) WHERE status = 'open';
CREATE INDEX match_candidate_by_other ON match_candidate (workspace_id, other_subject_id);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['event_tally', 'trait_definition', 'likeness', 'match_candidate'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_workspace ON %I TO tagway_app USING (workspace_id = current_workspace())', name);
        EXECUTE format('CREATE POLICY every_workspace ON %I TO tagway_worker USING (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tagway_app, tagway_worker', name);
    END LOOP;
END
$$;
