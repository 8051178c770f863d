-- Dead letters are listed by workspace, the newest first, and can be corrected before they are sent again.
ALTER TABLE dead_letter ADD COLUMN fixed_at timestamptz;
CREATE INDEX dead_letter_by_workspace ON dead_letter (workspace_id, id DESC);
