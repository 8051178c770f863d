-- The event log of the embedded mode: what Kafka is in production, kept in Postgres.
-- No row-level security: values are sealed before they come here, and no GraphQL field reads these tables.

CREATE TABLE log_partition (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,          -- held until commit by whoever appends: offsets have no gaps and commit in order
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);                           -- room for the next version beside the old: every append updates a row in place

CREATE TABLE log_record (
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    key bytea NOT NULL,
    value bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);

-- Sealed bytes do not shrink, so trying would only cost time.
ALTER TABLE log_record ALTER COLUMN value SET STORAGE EXTERNAL;

GRANT SELECT, INSERT, UPDATE ON log_partition TO tagway_app, tagway_worker;
GRANT SELECT, INSERT ON log_record TO tagway_app, tagway_worker;
GRANT DELETE ON log_record TO tagway_worker;
