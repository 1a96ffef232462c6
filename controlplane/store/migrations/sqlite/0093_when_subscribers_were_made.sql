-- When a subscriber was made; 0 = before this was written down.
ALTER TABLE subscribers ADD COLUMN made_us INTEGER NOT NULL DEFAULT 0;
