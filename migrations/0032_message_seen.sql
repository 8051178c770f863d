-- It told which pages hold old message ids for as long as new ones were laid behind them. Since they have come to lie where
-- old ones lay, it named every page, and each look read them all, every five minutes.
DROP INDEX CONCURRENTLY IF EXISTS message_seen_by_receipt;
