-- How each leg of a call sounded (ADR 0154): scores are hundredths of a mean opinion score; what is
-- `heard` the leg told itself, by RTCP, of what it was sent.
ALTER TABLE cdrs ADD COLUMN caller_mos SMALLINT;
ALTER TABLE cdrs ADD COLUMN caller_heard_reports BIGINT;
ALTER TABLE cdrs ADD COLUMN caller_heard_lost BIGINT;
ALTER TABLE cdrs ADD COLUMN caller_heard_jitter_us BIGINT;
ALTER TABLE cdrs ADD COLUMN caller_heard_mos SMALLINT;
ALTER TABLE cdrs ADD COLUMN caller_round_trip_us BIGINT;
ALTER TABLE cdrs ADD COLUMN caller_round_trip_us_max BIGINT;
ALTER TABLE cdrs ADD COLUMN called_mos SMALLINT;
ALTER TABLE cdrs ADD COLUMN called_heard_reports BIGINT;
ALTER TABLE cdrs ADD COLUMN called_heard_lost BIGINT;
ALTER TABLE cdrs ADD COLUMN called_heard_jitter_us BIGINT;
ALTER TABLE cdrs ADD COLUMN called_heard_mos SMALLINT;
ALTER TABLE cdrs ADD COLUMN called_round_trip_us BIGINT;
ALTER TABLE cdrs ADD COLUMN called_round_trip_us_max BIGINT;
