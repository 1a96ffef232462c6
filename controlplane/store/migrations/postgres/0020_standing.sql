-- Whether the caller hides from whom he calls: those are not told who he is.
ALTER TABLE cdrs ADD COLUMN caller_hidden SMALLINT NOT NULL DEFAULT 0;

-- Contacts of trunks that register with us, written behind like those of subscribers.
CREATE TABLE trunk_bindings (
    trunk_id BIGINT NOT NULL REFERENCES trunks (id) ON DELETE CASCADE,
    uri TEXT COLLATE "C" NOT NULL,
    instance TEXT NOT NULL,
    reg_id BIGINT NOT NULL,
    sip_call_id TEXT NOT NULL,
    cseq BIGINT NOT NULL,
    q BIGINT NOT NULL,
    user_agent TEXT NOT NULL,
    path TEXT NOT NULL,
    listener BIGINT NOT NULL,
    source TEXT NOT NULL,
    transport TEXT NOT NULL,
    flow BIGINT NOT NULL,
    refreshed_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    PRIMARY KEY (trunk_id, uri)
);

-- The look-up of a price by its prefixes, and pages of prices by prefix (adr/0051).
CREATE INDEX rates_tariff_prefix ON rates (tariff_id, prefix);
