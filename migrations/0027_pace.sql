-- A pace of a key's own; NULL where that of the gateways' settings holds.
ALTER TABLE api_key
    ADD COLUMN events_per_second integer CHECK (events_per_second > 0),
    ADD COLUMN events_at_once integer CHECK (events_at_once > 0);
