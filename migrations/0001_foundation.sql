-- Tenants, people, what they did, and the segments they are in.
-- tagway_app serves one workspace at a time and sees nothing else; tagway_worker builds across workspaces.
-- Neither owns a table nor may bypass row-level security.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tagway_app') THEN
        CREATE ROLE tagway_app NOLOGIN NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tagway_worker') THEN
        CREATE ROLE tagway_worker NOLOGIN NOBYPASSRLS;
    END IF;
END
$$;
GRANT tagway_app, tagway_worker TO current_user;

CREATE FUNCTION current_workspace() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('tagway.workspace', true), '')::uuid;

CREATE TABLE workspace (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    wrapped_key bytea NOT NULL,                     -- the workspace's key, wrapped by the master key
    settings jsonb NOT NULL DEFAULT '{}',
    definitions_version bigint NOT NULL DEFAULT 0,  -- raised by each change of a segment, so that builders reload
    created_at timestamptz NOT NULL
);

CREATE TABLE api_key (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('write', 'secret')),
    name text NOT NULL,
    hash bytea NOT NULL UNIQUE,                     -- SHA-256 of the key: keys are long and random, so no salt is needed
    hint text NOT NULL,                             -- its first characters, to recognise it by
    scopes text[] NOT NULL DEFAULT '{}',
    origins text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE TABLE tracking_plan (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    version integer NOT NULL,
    document jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, version)
);

CREATE TABLE profile (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    id uuid NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    traits jsonb NOT NULL DEFAULT '{}',             -- {name: {"v": value, "t": microseconds}}: the newest statement wins
    sealed jsonb NOT NULL DEFAULT '{}',             -- {name: {"subject": id, "frame": base64, "t": microseconds}}
    counters jsonb NOT NULL DEFAULT '{}',           -- {event name: count}
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    merged_into uuid,                               -- the profile that carries this one's subjects now
    PRIMARY KEY (workspace_id, id)
) WITH (fillfactor = 70);
CREATE INDEX profile_by_activity ON profile (workspace_id, last_seen_at DESC, id) WHERE merged_into IS NULL;

CREATE TABLE subject (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    id uuid NOT NULL,
    profile_id uuid NOT NULL,
    wrapped_key bytea NOT NULL,                     -- the person's data key, wrapped by the workspace's key
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX subject_by_profile ON subject (workspace_id, profile_id);

CREATE TABLE alias (
    workspace_id uuid NOT NULL,
    kind text NOT NULL,
    version smallint NOT NULL,
    index bytea NOT NULL,                           -- HMAC under the workspace's key of this kind and version
    subject_id uuid NOT NULL,
    first_seen_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, kind, version, index),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subject ON DELETE CASCADE
);
CREATE INDEX alias_by_subject ON alias (workspace_id, subject_id);

-- Which subjects were shown to be one person, and by which event: the ledger that merges are made from.
CREATE TABLE claim (
    workspace_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    subject_id uuid NOT NULL,
    other_subject_id uuid NOT NULL,
    message_id text NOT NULL,
    at timestamptz NOT NULL,
    decision text NOT NULL CHECK (decision IN ('merged', 'refused')),
    reason text,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subject ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, other_subject_id) REFERENCES subject ON DELETE CASCADE
);
CREATE INDEX claim_by_subject ON claim (workspace_id, subject_id);

CREATE TABLE consent (
    workspace_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    purpose text NOT NULL,
    state text NOT NULL,
    source text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, subject_id, purpose),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subject ON DELETE CASCADE
);

CREATE TABLE suppression (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    kind text NOT NULL,
    version smallint NOT NULL,
    index bytea NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, kind, version, index)
);

CREATE TABLE event (
    workspace_id uuid NOT NULL,
    message_id text NOT NULL,
    subject_id uuid NOT NULL,
    type text NOT NULL,
    name text NOT NULL,
    at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    original_at timestamptz,
    sent_at timestamptz,
    properties jsonb NOT NULL,
    traits jsonb NOT NULL,
    context jsonb NOT NULL,
    sealed jsonb NOT NULL,
    purposes text[] NOT NULL,
    PRIMARY KEY (workspace_id, message_id, received_at)
) PARTITION BY RANGE (received_at);
CREATE TABLE event_default PARTITION OF event DEFAULT;
CREATE INDEX event_by_subject ON event (workspace_id, subject_id, at DESC, message_id);
CREATE INDEX event_by_name ON event (workspace_id, name, at DESC);

-- Message ids that have been built, so that a repeat changes nothing.
CREATE TABLE message_seen (
    workspace_id uuid NOT NULL,
    message_id text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, message_id)
);

CREATE TABLE consumer_offset (
    consumer_group text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
);

CREATE TABLE dead_letter (
    workspace_id uuid,
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    reason text NOT NULL,
    value bytea NOT NULL,
    at timestamptz NOT NULL,
    UNIQUE (topic, partition, "offset")
);

CREATE TABLE segment (
    workspace_id uuid NOT NULL REFERENCES workspace ON DELETE CASCADE,
    id uuid NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    version integer NOT NULL,
    definition jsonb NOT NULL,
    previous_definition jsonb,                      -- serves the profiles that the build has not reached yet
    status text NOT NULL CHECK (status IN ('building', 'live', 'failed', 'deleting')),
    built_through uuid,                             -- while building: profiles up to this id are on `definition`
    error text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, key)
);

-- What the builder knows of one leaf of a definition for one profile: the newest stamps that matter, and its next flip.
CREATE TABLE leaf_state (
    workspace_id uuid NOT NULL,
    profile_id uuid NOT NULL,
    leaf bytea NOT NULL,                            -- hash of the leaf's normal form
    stamps bigint[] NOT NULL,                       -- microseconds, newest first, at most n + 1
    due_at timestamptz,                             -- when the leaf flips by itself
    PRIMARY KEY (workspace_id, profile_id, leaf),
    FOREIGN KEY (workspace_id, profile_id) REFERENCES profile ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX leaf_state_due ON leaf_state (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE membership (
    workspace_id uuid NOT NULL,
    segment_id uuid NOT NULL,
    profile_id uuid NOT NULL,
    segment_version integer NOT NULL,
    entered_at timestamptz NOT NULL,
    expires_at timestamptz,                         -- when it ends by itself if nothing else happens
    cause jsonb NOT NULL,
    PRIMARY KEY (workspace_id, segment_id, profile_id),
    FOREIGN KEY (workspace_id, segment_id) REFERENCES segment ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, profile_id) REFERENCES profile ON DELETE CASCADE
);
CREATE INDEX membership_by_profile ON membership (workspace_id, profile_id);

-- The outbox of membership changes. `position` is given after commit by the one publisher, so it has no gaps.
CREATE TABLE segment_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id uuid NOT NULL,
    profile_id uuid NOT NULL,
    profile_version bigint NOT NULL,
    segment_id uuid NOT NULL,
    segment_key text NOT NULL,
    segment_version integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('entered', 'exited')),
    at timestamptz NOT NULL,
    cause jsonb NOT NULL,
    position bigint UNIQUE
);
CREATE INDEX segment_change_unpublished ON segment_change (id) WHERE position IS NULL;
CREATE INDEX segment_change_by_workspace ON segment_change (workspace_id, position);
CREATE INDEX segment_change_by_profile ON segment_change (workspace_id, profile_id, position);
CREATE INDEX segment_change_by_segment ON segment_change (workspace_id, segment_id, position);

CREATE TABLE publisher (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    stream uuid NOT NULL DEFAULT gen_random_uuid(), -- names the channel: databases may share a Redis
    last_position bigint NOT NULL DEFAULT 0,        -- the newest position given
    published_through bigint NOT NULL DEFAULT 0     -- everything up to here has reached Redis and the log
);
INSERT INTO publisher DEFAULT VALUES;

-- Row-level security: forced, so that even the owner is held to it.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'tracking_plan', 'profile', 'subject', 'alias', 'claim', 'consent', 'suppression', 'event', 'message_seen',
        'dead_letter', 'segment', 'leaf_state', 'membership', 'segment_change'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_workspace ON %I TO tagway_app USING (workspace_id = current_workspace())', name);
        EXECUTE format('CREATE POLICY every_workspace ON %I TO tagway_worker USING (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tagway_app, tagway_worker', name);
    END LOOP;
END
$$;

ALTER TABLE workspace ENABLE ROW LEVEL SECURITY;
ALTER TABLE workspace FORCE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON workspace TO tagway_app USING (id = current_workspace());
CREATE POLICY every_workspace ON workspace TO tagway_worker USING (true);
GRANT SELECT, UPDATE ON workspace TO tagway_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON workspace TO tagway_worker;

-- A key is looked up before its workspace is known: by the hash that the caller has shown it can make.
ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key FORCE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON api_key TO tagway_app
    USING (workspace_id = current_workspace() OR hash = decode(current_setting('tagway.key_hash', true), 'hex'))
    WITH CHECK (workspace_id = current_workspace());
CREATE POLICY every_workspace ON api_key TO tagway_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON api_key TO tagway_app, tagway_worker;

GRANT SELECT, INSERT, UPDATE, DELETE ON consumer_offset TO tagway_worker;
GRANT SELECT, UPDATE ON publisher TO tagway_worker;
GRANT SELECT ON publisher TO tagway_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO tagway_app, tagway_worker;
