-- Which generation of builders this database was built by last. One whose generation is lower refuses to run; 0 are all
-- from before there was a mark. Where nothing was ever built there is nobody to wait for.
ALTER TABLE publisher ADD COLUMN generation integer NOT NULL DEFAULT 0;
UPDATE publisher SET generation = 1 WHERE NOT EXISTS (SELECT FROM consumer_offset);
