-- How each leg of a call sounded (ADR 0154): scores are hundredths of a mean opinion score; what is
-- `heard` the leg told itself, by RTCP, of what it was sent.
ALTER TABLE cdrs ADD COLUMN caller_mos INTEGER;
ALTER TABLE cdrs ADD COLUMN caller_heard_reports INTEGER;
ALTER TABLE cdrs ADD COLUMN caller_heard_lost INTEGER;
ALTER TABLE cdrs ADD COLUMN caller_heard_jitter_us INTEGER;
ALTER TABLE cdrs ADD COLUMN caller_heard_mos INTEGER;
ALTER TABLE cdrs ADD COLUMN caller_round_trip_us INTEGER;
ALTER TABLE cdrs ADD COLUMN caller_round_trip_us_max INTEGER;
ALTER TABLE cdrs ADD COLUMN called_mos INTEGER;
ALTER TABLE cdrs ADD COLUMN called_heard_reports INTEGER;
ALTER TABLE cdrs ADD COLUMN called_heard_lost INTEGER;
ALTER TABLE cdrs ADD COLUMN called_heard_jitter_us INTEGER;
ALTER TABLE cdrs ADD COLUMN called_heard_mos INTEGER;
ALTER TABLE cdrs ADD COLUMN called_round_trip_us INTEGER;
ALTER TABLE cdrs ADD COLUMN called_round_trip_us_max INTEGER;
