-- Rules about callers say whom they may call: one subscriber, or numbers that begin so.
ALTER TABLE caller_rules ADD COLUMN subscriber_id BIGINT;
ALTER TABLE caller_rules ADD COLUMN called TEXT NOT NULL DEFAULT '';
