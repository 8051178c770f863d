-- Who says the same thing again moves `at` of the stored word and is counted, while the record that it rests on is of
-- the same day.

ALTER TABLE consent ADD COLUMN repeats bigint NOT NULL DEFAULT 0; -- how often it was said again since its record
