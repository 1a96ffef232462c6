-- What each leg sent behind the answer of its call (ADR 0174): how long nothing, and how long what it
-- had sent before.
ALTER TABLE cdrs ADD COLUMN caller_silent_ms BIGINT;
ALTER TABLE cdrs ADD COLUMN caller_rang_ms BIGINT;
ALTER TABLE cdrs ADD COLUMN called_silent_ms BIGINT;
ALTER TABLE cdrs ADD COLUMN called_rang_ms BIGINT;
