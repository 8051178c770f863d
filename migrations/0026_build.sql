-- Which generation of builders this database was built by last. One whose generation is lower refuses to run; 0 are all
-- from before there was a mark. Where nothing was ever built there is nobody to wait for.
ALTER TABLE publisher ADD COLUMN generation integer NOT NULL DEFAULT 0;
UPDATE publisher SET generation = 1 WHERE NOT EXISTS (SELECT FROM consumer_offset);

-- A change is written without a position and has one a moment later. What is only asked by position need not be told
-- of it before: with that, half of the entries that a change makes in indexes fall away.
ALTER TABLE segment_change DROP CONSTRAINT segment_change_position_key;
CREATE UNIQUE INDEX segment_change_by_position ON segment_change (position) WHERE position IS NOT NULL;
DROP INDEX segment_change_by_workspace;
CREATE INDEX segment_change_by_workspace ON segment_change (workspace_id, position) WHERE position IS NOT NULL;
DROP INDEX segment_change_by_segment;
CREATE INDEX segment_change_by_segment ON segment_change (workspace_id, segment_id, position)
    WHERE position IS NOT NULL;
