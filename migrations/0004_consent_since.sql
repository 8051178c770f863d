-- Global Privacy Control is repeated with every request: `at` moves on with it, and `since` tells when it began.

ALTER TABLE consent ADD COLUMN since timestamptz;   -- when this source first said so without interruption
