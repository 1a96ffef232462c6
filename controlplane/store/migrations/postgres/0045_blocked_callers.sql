-- Rules about callers that the switch made by itself.
ALTER TABLE caller_rules ADD COLUMN automatic BIGINT NOT NULL DEFAULT 0;
