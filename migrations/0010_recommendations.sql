-- What a shop offers, the models trained on what people did with it, and the lists that were served.

CREATE TABLE item (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    id text NOT NULL,                               -- the shop's own id, as `product_id` in its events
    name text,
    category text,
    price double precision,
    image_url text,
    available boolean NOT NULL DEFAULT true,
    attributes jsonb NOT NULL DEFAULT '{}',
    source text NOT NULL CHECK (source IN ('operator', 'event')),  -- what an operator states, no event overwrites
    removed boolean NOT NULL DEFAULT false,         -- kept as a tombstone, so that gateways and events learn of it
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX item_by_change ON item (workspace_id, updated_at);

CREATE TABLE recommender_model (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    id uuid NOT NULL,
    version integer NOT NULL,
    status text NOT NULL CHECK (status IN ('published', 'refused')),
    report jsonb NOT NULL,                          -- how it was made and judged; no person is in it
    hash bytea NOT NULL,                            -- SHA-256 over its parts in order
    trained_through timestamptz NOT NULL,           -- the newest event that it knows
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, version)
);

-- The arrays of a model, in slices: no single value of 100,000 items has to pass through memory twice.
CREATE TABLE recommender_part (
    workspace_id uuid NOT NULL,
    model_id uuid NOT NULL,
    place integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (workspace_id, model_id, place),
    FOREIGN KEY (workspace_id, model_id) REFERENCES recommender_model ON DELETE CASCADE
);
ALTER TABLE recommender_part ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE recommender_live (
    workspace_id uuid PRIMARY KEY REFERENCES workspace ON DELETE CASCADE,
    model_id uuid NOT NULL,
    since timestamptz NOT NULL,
    FOREIGN KEY (workspace_id, model_id) REFERENCES recommender_model
);

-- Where the trainer stands: what it has gathered, and when it last trained.
CREATE TABLE recommender_progress (
    workspace_id uuid PRIMARY KEY REFERENCES workspace ON DELETE CASCADE,
    gathered_through timestamptz NOT NULL DEFAULT '-infinity',
    trained_at timestamptz
);

CREATE TABLE recommender_policy (
    workspace_id uuid PRIMARY KEY REFERENCES workspace ON DELETE CASCADE,
    document jsonb NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Lists as they were served. They name no person: events that say what became of a list name it.
CREATE TABLE served_list (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    strategy text NOT NULL,
    model_version integer,
    personalized boolean NOT NULL,
    context jsonb NOT NULL,
    items text[] NOT NULL,
    propensities real[] NOT NULL,                   -- how likely each item was to stand where it stood
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX served_list_by_time ON served_list (workspace_id, at);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'item', 'recommender_model', 'recommender_part', 'recommender_live', 'recommender_progress',
        'recommender_policy', 'served_list'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_workspace ON %I TO tagway_app USING (workspace_id = current_workspace())', name);
        EXECUTE format('CREATE POLICY every_workspace ON %I TO tagway_worker USING (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['item', 'recommender_live', 'recommender_policy'] LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO tagway_app', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['recommender_model', 'recommender_part'] LOOP
        EXECUTE format('GRANT SELECT ON %I TO tagway_app', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY[
        'item', 'recommender_model', 'recommender_part', 'recommender_live', 'recommender_progress', 'recommender_policy'
    ] LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tagway_worker', name);
    END LOOP;
END
$$;
GRANT SELECT, INSERT ON served_list TO tagway_app;
GRANT SELECT, INSERT, DELETE ON served_list TO tagway_worker;
