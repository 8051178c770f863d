-- Each record that could not be built is told of once, on a topic of its own.
ALTER TABLE dead_letter ADD COLUMN announced_at timestamptz;
