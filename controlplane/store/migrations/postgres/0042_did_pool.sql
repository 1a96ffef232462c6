-- A DID without a target is in the pool of numbers; somebody may think about taking it for a while.
ALTER TABLE dids ADD COLUMN reserved_until_us BIGINT;
