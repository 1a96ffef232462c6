-- Whether the caller hides from whom he calls: those are not told who he is.
ALTER TABLE cdrs ADD COLUMN caller_hidden INTEGER NOT NULL DEFAULT 0;

-- Contacts of trunks that register with us, written behind like those of subscribers.
CREATE TABLE trunk_bindings (
    trunk_id INTEGER NOT NULL REFERENCES trunks (id) ON DELETE CASCADE,
    uri TEXT NOT NULL,
    instance TEXT NOT NULL,
    reg_id INTEGER NOT NULL,
    sip_call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    q INTEGER NOT NULL,
    user_agent TEXT NOT NULL,
    path TEXT NOT NULL,
    listener INTEGER NOT NULL,
    source TEXT NOT NULL,
    transport TEXT NOT NULL,
    flow INTEGER NOT NULL,
    refreshed_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    PRIMARY KEY (trunk_id, uri)
) STRICT, WITHOUT ROWID;

-- The look-up of a price by its prefixes, and pages of prices by prefix (adr/0051).
CREATE INDEX rates_tariff_prefix ON rates (tariff_id, prefix);
