-- Where a record and a change are in a trace (W3C Trace Context), for those who trace; NULL for all others.
ALTER TABLE log_record ADD COLUMN traceparent text;
ALTER TABLE segment_change ADD COLUMN traceparent text;
