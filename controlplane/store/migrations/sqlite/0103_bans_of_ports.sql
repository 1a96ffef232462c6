-- A ban may be of one port of an address: of one phone behind a NAT (ADR 0230).
CREATE TABLE bans_by_port (
    id INTEGER PRIMARY KEY,
    network TEXT NOT NULL,
    prefix_len INTEGER NOT NULL,
    reason TEXT NOT NULL,
    from_us INTEGER NOT NULL,
    until_us INTEGER,
    automatic INTEGER NOT NULL DEFAULT 0,
    allow INTEGER NOT NULL DEFAULT 0,
    port INTEGER NOT NULL DEFAULT 0,
    UNIQUE (network, prefix_len, port)
) STRICT;
INSERT INTO bans_by_port (id, network, prefix_len, reason, from_us, until_us, automatic, allow)
    SELECT id, network, prefix_len, reason, from_us, until_us, automatic, allow FROM bans;
DROP TABLE bans;
ALTER TABLE bans_by_port RENAME TO bans;
