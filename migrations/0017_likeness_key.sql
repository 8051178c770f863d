-- Filters are made under a key of the index version in force, so that a rotation leaves none under an old one.

-- 0: made under the key that no rotation reached, or blank after a rectification.
ALTER TABLE likeness ADD COLUMN version smallint NOT NULL DEFAULT 0;
CREATE INDEX likeness_by_version ON likeness (workspace_id, version);
