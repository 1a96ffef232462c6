-- Who pays for calls to a number in place of their callers.
ALTER TABLE dids ADD COLUMN account_id INTEGER;
