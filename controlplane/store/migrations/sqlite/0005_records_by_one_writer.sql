-- Records are written by one writer, whole, in one transaction, and never changed: what refers to
-- what is right by construction and proven every night by the audit of the books. To have the
-- database look each reference up again costs time with each record. SQLite drops no constraint, so
-- the tables are made again.
CREATE TABLE new_cdrs (
    id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    tenant_id INTEGER,
    batch INTEGER NOT NULL,
    ask INTEGER NOT NULL,
    snapshot INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    rang_us INTEGER,
    answered_us INTEGER,
    ended_us INTEGER NOT NULL,
    setup_ms INTEGER NOT NULL,
    talk_ms INTEGER NOT NULL,
    billable_ms INTEGER NOT NULL,
    caller_ms INTEGER NOT NULL,
    called_ms INTEGER NOT NULL,
    caller_account_id INTEGER,
    caller_organization_id INTEGER,
    caller_subscriber_id INTEGER,
    caller_trunk_id INTEGER,
    caller_number TEXT NOT NULL,
    from_user TEXT NOT NULL,
    display TEXT NOT NULL,
    source TEXT,
    sip_call_id TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    received TEXT NOT NULL,
    normalised TEXT,
    dialled TEXT NOT NULL,
    destination TEXT,
    called_subscriber_id INTEGER,
    called_trunk_id INTEGER,
    called_remote TEXT,
    party INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    sip INTEGER NOT NULL,
    q850 INTEGER NOT NULL,
    caller_received INTEGER,
    caller_received_octets INTEGER,
    caller_sent INTEGER,
    caller_sent_octets INTEGER,
    caller_lost INTEGER,
    caller_jitter_us INTEGER,
    caller_jitter_us_max INTEGER,
    caller_dropped INTEGER,
    caller_payload_type INTEGER,
    caller_codec TEXT,
    caller_media_remote TEXT,
    called_received INTEGER,
    called_received_octets INTEGER,
    called_sent INTEGER,
    called_sent_octets INTEGER,
    called_lost INTEGER,
    called_jitter_us INTEGER,
    called_jitter_us_max INTEGER,
    called_dropped INTEGER,
    called_payload_type INTEGER,
    called_codec TEXT,
    called_media_remote TEXT,
    unpriced INTEGER NOT NULL,
    hops_dropped INTEGER NOT NULL,
    facts_dropped INTEGER NOT NULL,
    PRIMARY KEY (id, part)
) STRICT, WITHOUT ROWID;
INSERT INTO new_cdrs SELECT * FROM cdrs;
CREATE TABLE new_cdr_charges (
    cdr_id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('customer', 'reseller', 'supplier')),
    account_id INTEGER NOT NULL,
    organization_id INTEGER NOT NULL,
    payee_id INTEGER,
    prepaid INTEGER NOT NULL,
    currency TEXT NOT NULL,
    minor_digits INTEGER NOT NULL,
    net INTEGER NOT NULL,
    vat_ppm INTEGER NOT NULL,
    gross INTEGER NOT NULL,
    charged_ms INTEGER NOT NULL,
    step_ms INTEGER NOT NULL,
    unit_price INTEGER NOT NULL,
    price_currency TEXT NOT NULL,
    price_minor_digits INTEGER NOT NULL,
    tariff_id INTEGER,
    rate_id INTEGER,
    PRIMARY KEY (cdr_id, part, position)
) STRICT, WITHOUT ROWID;
INSERT INTO new_cdr_charges SELECT * FROM cdr_charges;
CREATE TABLE new_cdr_hops (
    cdr_id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    position INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    branch INTEGER NOT NULL,
    trunk_id INTEGER,
    subscriber_id INTEGER,
    supplier_id INTEGER,
    dialled TEXT NOT NULL,
    remote TEXT NOT NULL,
    started_us INTEGER NOT NULL,
    rang_us INTEGER,
    answered_us INTEGER,
    ended_us INTEGER NOT NULL,
    party INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    sip INTEGER NOT NULL,
    q850 INTEGER NOT NULL,
    PRIMARY KEY (cdr_id, part, position)
) STRICT, WITHOUT ROWID;
INSERT INTO new_cdr_hops SELECT * FROM cdr_hops;
DROP TABLE cdr_charges;
DROP TABLE cdr_hops;
DROP TABLE cdrs;
ALTER TABLE new_cdrs RENAME TO cdrs;
ALTER TABLE new_cdr_charges RENAME TO cdr_charges;
ALTER TABLE new_cdr_hops RENAME TO cdr_hops;
CREATE INDEX cdrs_ended ON cdrs (ended_us, id);
CREATE INDEX cdrs_tenant_ended ON cdrs (tenant_id, ended_us, id);
CREATE INDEX cdrs_account_ended ON cdrs (caller_account_id, ended_us, id);
CREATE INDEX cdrs_batch ON cdrs (batch);
