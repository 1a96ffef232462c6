-- A login may stand for one subscriber: registered while he is, and shown for his calls alone
-- (ADR 0231).
ALTER TABLE trunk_logins ADD COLUMN subscriber_id BIGINT;
