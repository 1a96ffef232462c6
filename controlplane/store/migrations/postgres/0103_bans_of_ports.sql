-- A ban may be of one port of an address: of one phone behind a NAT (ADR 0230).
ALTER TABLE bans ADD COLUMN port BIGINT NOT NULL DEFAULT 0;
ALTER TABLE bans DROP CONSTRAINT bans_network_prefix_len_key;
ALTER TABLE bans ADD UNIQUE (network, prefix_len, port);
