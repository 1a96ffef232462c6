-- Bans that the switch made by itself are forgotten some time after their end.
ALTER TABLE bans ADD COLUMN automatic BIGINT NOT NULL DEFAULT 0;

-- The opposite of a ban: a network that is let through, whatever wider network is not.
ALTER TABLE bans ADD COLUMN allow BIGINT NOT NULL DEFAULT 0;
