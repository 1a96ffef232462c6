-- At which times a route is for calls, and whether they may take reserved lines of trunks.
ALTER TABLE routes ADD COLUMN times TEXT NOT NULL DEFAULT '[]';
ALTER TABLE routes ADD COLUMN except_times TEXT NOT NULL DEFAULT '[]';
ALTER TABLE routes ADD COLUMN reserved BIGINT NOT NULL DEFAULT 0;
