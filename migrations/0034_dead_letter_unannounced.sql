CREATE INDEX CONCURRENTLY IF NOT EXISTS dead_letter_unannounced ON dead_letter (id) WHERE announced_at IS NULL;
