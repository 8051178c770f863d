-- Who alone has spoken of an item that events taught: it goes with them.

ALTER TABLE item ADD COLUMN told_by uuid;  -- a subject; null once a second one has spoken of it, or an operator
