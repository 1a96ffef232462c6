-- Rules about callers that the switch made by itself.
ALTER TABLE caller_rules ADD COLUMN automatic INTEGER NOT NULL DEFAULT 0;
