-- What somebody stated in events that are kept no longer, as long as each trait itself may be kept: the newest of each,
-- by subject, so that two people can be told apart again who were taken for one. It has the form of a profile's.
CREATE TABLE statement (
    workspace_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    traits jsonb NOT NULL DEFAULT '{}',
    sealed jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (workspace_id, subject_id),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subject ON DELETE CASCADE
);

ALTER TABLE statement ENABLE ROW LEVEL SECURITY;
ALTER TABLE statement FORCE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON statement TO tagway_app USING (workspace_id = current_workspace());
CREATE POLICY every_workspace ON statement TO tagway_worker USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON statement TO tagway_app, tagway_worker;
