-- Conventions: times are microseconds since 1970 UTC; money at its currency's ledger scale; prices
-- at 1e-9 per minute; flags 0 or 1; lists and small structures that no query looks into are JSON.
-- Every row belongs to a tenant, and references carry it: no row refers across tenants.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE tenants (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    realm TEXT NOT NULL UNIQUE,
    domains TEXT NOT NULL,
    currency TEXT NOT NULL,
    minor_digits INTEGER NOT NULL,
    timezone TEXT NOT NULL,
    algorithms TEXT NOT NULL,
    country_prefix TEXT NOT NULL,
    normalisation TEXT NOT NULL,
    internal_price INTEGER NOT NULL,
    ring_timeout_s INTEGER NOT NULL,
    talk_s_max INTEGER NOT NULL,
    media_start_timeout_s INTEGER NOT NULL,
    media_timeout_s INTEGER NOT NULL
) STRICT;

CREATE TABLE organizations (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    parent_id INTEGER,
    kind TEXT NOT NULL CHECK (kind IN ('owner', 'reseller', 'company', 'customer', 'supplier')),
    name TEXT NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES organizations (tenant_id, id)
) STRICT;

CREATE TABLE tariffs (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    minor_digits INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('customer', 'supplier')),
    rounding_digits INTEGER NOT NULL,
    rounding_mode TEXT NOT NULL CHECK (rounding_mode IN ('half-away', 'up', 'down', 'half-even')),
    vat_ppm INTEGER NOT NULL,
    vat_included INTEGER NOT NULL,
    UNIQUE (tenant_id, id)
) STRICT;

CREATE TABLE rates (
    id INTEGER PRIMARY KEY,
    tariff_id INTEGER NOT NULL REFERENCES tariffs (id),
    prefix TEXT NOT NULL,
    price INTEGER NOT NULL,
    step_s INTEGER NOT NULL CHECK (step_s > 0),
    minimum_s INTEGER NOT NULL,
    free_s INTEGER NOT NULL,
    free_after_s INTEGER NOT NULL,
    connection_fee INTEGER NOT NULL,
    from_us INTEGER NOT NULL,
    until_us INTEGER
) STRICT;
CREATE INDEX rates_tariff_prefix ON rates (tariff_id, prefix);

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    organization_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    minor_digits INTEGER NOT NULL,
    prepaid INTEGER NOT NULL,
    floor INTEGER,
    tariff_id INTEGER,
    calls_max INTEGER NOT NULL,
    cps_max INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    go_on_without_control INTEGER NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id),
    FOREIGN KEY (tenant_id, tariff_id) REFERENCES tariffs (tenant_id, id)
) STRICT;

CREATE TABLE subscribers (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    account_id INTEGER NOT NULL,
    organization_id INTEGER NOT NULL,
    username TEXT NOT NULL,
    numbers TEXT NOT NULL,
    short TEXT,
    display TEXT NOT NULL,
    ha1_md5 TEXT,
    ha1_sha256 TEXT,
    digest TEXT NOT NULL CHECK (digest IN ('both', 'sha256-only', 'md5-only')),
    ring_timeout_s INTEGER NOT NULL,
    calls_max INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    expires_s_min INTEGER NOT NULL,
    expires_s_max INTEGER NOT NULL,
    contacts_max INTEGER NOT NULL,
    hide_number INTEGER NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, username),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id)
) STRICT;

CREATE TABLE trunks (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    organization_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    ingress TEXT,
    egress TEXT,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id)
) STRICT;

CREATE TABLE routes (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    prefix TEXT NOT NULL,
    priority INTEGER NOT NULL,
    overflow INTEGER NOT NULL
) STRICT;

CREATE TABLE route_targets (
    route_id INTEGER NOT NULL REFERENCES routes (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    trunk_id INTEGER NOT NULL REFERENCES trunks (id),
    priority INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    PRIMARY KEY (route_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE destinations (
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (tenant_id, prefix)
) STRICT, WITHOUT ROWID;

CREATE TABLE emergencies (
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    number TEXT NOT NULL,
    trunks TEXT NOT NULL,
    PRIMARY KEY (tenant_id, number)
) STRICT, WITHOUT ROWID;

-- Written behind the registrar's memory, read at boot.
CREATE TABLE bindings (
    subscriber_id INTEGER NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
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
    PRIMARY KEY (subscriber_id, uri)
) STRICT, WITHOUT ROWID;

-- REST tokens: only a hash is kept.
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER REFERENCES tenants (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner')),
    hash TEXT NOT NULL UNIQUE,
    created_us INTEGER NOT NULL
) STRICT;

-- What was changed, by whom, in the transaction that changed it; also the feed of reconcilers.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER,
    actor TEXT NOT NULL,
    resource TEXT NOT NULL,
    id INTEGER,
    what TEXT NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;

-- Origins of record ids: one for each life of a dataplane shard.
CREATE TABLE origins (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    boot TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    UNIQUE (node, shard, boot, epoch)
) STRICT;

-- How far each journal has been taken over; moved in the transaction that takes.
CREATE TABLE ingest_cursors (
    origin INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    byte_offset INTEGER NOT NULL
) STRICT;

-- What one transaction took from one journal: records and transfers point here, so every unit of
-- money is traceable both ways.
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    origin INTEGER NOT NULL,
    seq_first INTEGER NOT NULL,
    seq_last INTEGER NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;

-- The books: accounts by their meaning, and transfers of one debit and one credit each, so that they
-- sum to zero by construction. Nothing here is ever updated.
CREATE TABLE ledger_accounts (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    owner_kind TEXT NOT NULL CHECK (owner_kind IN ('tenant', 'organization', 'account')),
    owner_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    unit TEXT NOT NULL,
    minor_digits INTEGER NOT NULL,
    UNIQUE (tenant_id, owner_kind, owner_id, kind, unit),
    UNIQUE (tenant_id, id, unit)
) STRICT;

CREATE TABLE transfers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    debit_id INTEGER NOT NULL,
    credit_id INTEGER NOT NULL,
    unit TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    kind TEXT NOT NULL,
    cause_kind TEXT NOT NULL CHECK (cause_kind IN ('batch', 'request', 'transfer')),
    cause_id INTEGER NOT NULL,
    CHECK (debit_id <> credit_id),
    FOREIGN KEY (tenant_id, debit_id, unit) REFERENCES ledger_accounts (tenant_id, id, unit),
    FOREIGN KEY (tenant_id, credit_id, unit) REFERENCES ledger_accounts (tenant_id, id, unit)
) STRICT;
CREATE INDEX transfers_debit ON transfers (debit_id);
CREATE INDEX transfers_credit ON transfers (credit_id);

-- One row for each attempt of a caller, immutable. Names follow the record of the model.
CREATE TABLE cdrs (
    id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    tenant_id INTEGER,
    batch INTEGER NOT NULL REFERENCES batches (id),
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
CREATE INDEX cdrs_ended ON cdrs (ended_us, id);
CREATE INDEX cdrs_tenant_ended ON cdrs (tenant_id, ended_us, id);
CREATE INDEX cdrs_account_ended ON cdrs (caller_account_id, ended_us, id);

-- Who pays what for a record: the caller's account, resellers above it bottom up, the supplier.
CREATE TABLE cdr_charges (
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
    PRIMARY KEY (cdr_id, part, position),
    FOREIGN KEY (cdr_id, part) REFERENCES cdrs (id, part)
) STRICT, WITHOUT ROWID;

-- Branches that are not the called leg of their record.
CREATE TABLE cdr_hops (
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
    PRIMARY KEY (cdr_id, part, position),
    FOREIGN KEY (cdr_id, part) REFERENCES cdrs (id, part)
) STRICT, WITHOUT ROWID;
