-- Conventions: times are microseconds since 1970 UTC; money at its currency's ledger scale; prices
-- at 1e-9 per minute; flags 0 or 1; lists and small structures that no query looks into are JSON.
-- Every row belongs to a tenant, and references carry it: no row refers across tenants.
--
-- The same tables as in ../sqlite, one text of SQL serves both. Every integer is a BIGINT, so that it
-- is read alike. An id is an identity only where the database chooses it: a sequence beside ids that
-- the program gives would hand out taken numbers. Keys that are listed in order compare by code
-- point, as in SQLite, whatever the locale of the cluster.

CREATE TABLE meta (
    key TEXT COLLATE "C" PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE tenants (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    realm TEXT NOT NULL UNIQUE,
    domains TEXT NOT NULL,
    currency TEXT NOT NULL,
    minor_digits BIGINT NOT NULL,
    timezone TEXT NOT NULL,
    algorithms TEXT NOT NULL,
    country_prefix TEXT NOT NULL,
    normalisation TEXT NOT NULL,
    internal_price BIGINT NOT NULL,
    ring_timeout_s BIGINT NOT NULL,
    talk_s_max BIGINT NOT NULL,
    media_start_timeout_s BIGINT NOT NULL,
    media_timeout_s BIGINT NOT NULL
);

CREATE TABLE organizations (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    parent_id BIGINT,
    kind TEXT NOT NULL CHECK (kind IN ('owner', 'reseller', 'company', 'customer', 'supplier')),
    name TEXT NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES organizations (tenant_id, id)
);

CREATE TABLE tariffs (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    minor_digits BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('customer', 'supplier')),
    rounding_digits BIGINT NOT NULL,
    rounding_mode TEXT NOT NULL CHECK (rounding_mode IN ('half-away', 'up', 'down', 'half-even')),
    vat_ppm BIGINT NOT NULL,
    vat_included BIGINT NOT NULL,
    UNIQUE (tenant_id, id)
);

CREATE TABLE rates (
    id BIGINT PRIMARY KEY,
    tariff_id BIGINT NOT NULL REFERENCES tariffs (id),
    prefix TEXT COLLATE "C" NOT NULL,
    price BIGINT NOT NULL,
    step_s BIGINT NOT NULL CHECK (step_s > 0),
    minimum_s BIGINT NOT NULL,
    free_s BIGINT NOT NULL,
    free_after_s BIGINT NOT NULL,
    connection_fee BIGINT NOT NULL,
    from_us BIGINT NOT NULL,
    until_us BIGINT
);
CREATE INDEX rates_tariff_prefix ON rates (tariff_id, prefix);

CREATE TABLE accounts (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    organization_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    minor_digits BIGINT NOT NULL,
    prepaid BIGINT NOT NULL,
    floor BIGINT,
    tariff_id BIGINT,
    calls_max BIGINT NOT NULL,
    cps_max BIGINT NOT NULL,
    enabled BIGINT NOT NULL,
    go_on_without_control BIGINT NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id),
    FOREIGN KEY (tenant_id, tariff_id) REFERENCES tariffs (tenant_id, id)
);

CREATE TABLE subscribers (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    account_id BIGINT NOT NULL,
    organization_id BIGINT NOT NULL,
    username TEXT NOT NULL,
    numbers TEXT NOT NULL,
    short TEXT,
    display TEXT NOT NULL,
    ha1_md5 TEXT,
    ha1_sha256 TEXT,
    digest TEXT NOT NULL CHECK (digest IN ('both', 'sha256-only', 'md5-only')),
    ring_timeout_s BIGINT NOT NULL,
    calls_max BIGINT NOT NULL,
    enabled BIGINT NOT NULL,
    expires_s_min BIGINT NOT NULL,
    expires_s_max BIGINT NOT NULL,
    contacts_max BIGINT NOT NULL,
    hide_number BIGINT NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, username),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id)
);

CREATE TABLE trunks (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    organization_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    ingress TEXT,
    egress TEXT,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id)
);

CREATE TABLE routes (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    prefix TEXT COLLATE "C" NOT NULL,
    priority BIGINT NOT NULL,
    overflow BIGINT NOT NULL
);

CREATE TABLE route_targets (
    route_id BIGINT NOT NULL REFERENCES routes (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    trunk_id BIGINT NOT NULL REFERENCES trunks (id),
    priority BIGINT NOT NULL,
    weight BIGINT NOT NULL,
    PRIMARY KEY (route_id, position)
);

CREATE TABLE destinations (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    prefix TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (tenant_id, prefix)
);

CREATE TABLE emergencies (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    number TEXT COLLATE "C" NOT NULL,
    trunks TEXT NOT NULL,
    PRIMARY KEY (tenant_id, number)
);

-- Written behind the registrar's memory, read at boot.
CREATE TABLE bindings (
    subscriber_id BIGINT NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
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
    PRIMARY KEY (subscriber_id, uri)
);

-- REST tokens: only a hash is kept.
CREATE TABLE tokens (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    tenant_id BIGINT REFERENCES tenants (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner')),
    hash TEXT NOT NULL UNIQUE,
    created_us BIGINT NOT NULL
);

-- What was changed, by whom, in the transaction that changed it; also the feed of reconcilers.
CREATE TABLE changes (
    seq BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    tenant_id BIGINT,
    actor TEXT NOT NULL,
    resource TEXT NOT NULL,
    id BIGINT,
    what TEXT NOT NULL,
    at_us BIGINT NOT NULL
);

-- Origins of record ids: one for each life of a dataplane shard.
CREATE TABLE origins (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    node BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    boot TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    UNIQUE (node, shard, boot, epoch)
);

-- How far each journal has been taken over; moved in the transaction that takes.
CREATE TABLE ingest_cursors (
    origin BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL,
    segment BIGINT NOT NULL,
    byte_offset BIGINT NOT NULL
);

-- What one transaction took from one journal: records and transfers point here, so every unit of
-- money is traceable both ways.
CREATE TABLE batches (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    origin BIGINT NOT NULL,
    seq_first BIGINT NOT NULL,
    seq_last BIGINT NOT NULL,
    at_us BIGINT NOT NULL
);

-- The books: accounts by their meaning, and transfers of one debit and one credit each, so that they
-- sum to zero by construction. Nothing here is ever updated.
CREATE TABLE ledger_accounts (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    owner_kind TEXT NOT NULL CHECK (owner_kind IN ('tenant', 'organization', 'account')),
    owner_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    unit TEXT NOT NULL,
    minor_digits BIGINT NOT NULL,
    UNIQUE (tenant_id, owner_kind, owner_id, kind, unit),
    UNIQUE (tenant_id, id, unit)
);

CREATE TABLE transfers (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    debit_id BIGINT NOT NULL,
    credit_id BIGINT NOT NULL,
    unit TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    kind TEXT NOT NULL,
    cause_kind TEXT NOT NULL CHECK (cause_kind IN ('batch', 'request', 'transfer')),
    cause_id BIGINT NOT NULL,
    CHECK (debit_id <> credit_id),
    FOREIGN KEY (tenant_id, debit_id, unit) REFERENCES ledger_accounts (tenant_id, id, unit),
    FOREIGN KEY (tenant_id, credit_id, unit) REFERENCES ledger_accounts (tenant_id, id, unit)
);
CREATE INDEX transfers_debit ON transfers (debit_id);
CREATE INDEX transfers_credit ON transfers (credit_id);

-- One row for each attempt of a caller, immutable. Names follow the record of the model.
CREATE TABLE cdrs (
    id BIGINT NOT NULL,
    part BIGINT NOT NULL,
    tenant_id BIGINT,
    batch BIGINT NOT NULL REFERENCES batches (id),
    ask BIGINT NOT NULL,
    snapshot BIGINT NOT NULL,
    started_us BIGINT NOT NULL,
    rang_us BIGINT,
    answered_us BIGINT,
    ended_us BIGINT NOT NULL,
    setup_ms BIGINT NOT NULL,
    talk_ms BIGINT NOT NULL,
    billable_ms BIGINT NOT NULL,
    caller_ms BIGINT NOT NULL,
    called_ms BIGINT NOT NULL,
    caller_account_id BIGINT,
    caller_organization_id BIGINT,
    caller_subscriber_id BIGINT,
    caller_trunk_id BIGINT,
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
    called_subscriber_id BIGINT,
    called_trunk_id BIGINT,
    called_remote TEXT,
    party BIGINT NOT NULL,
    reason BIGINT NOT NULL,
    sip BIGINT NOT NULL,
    q850 BIGINT NOT NULL,
    caller_received BIGINT,
    caller_received_octets BIGINT,
    caller_sent BIGINT,
    caller_sent_octets BIGINT,
    caller_lost BIGINT,
    caller_jitter_us BIGINT,
    caller_jitter_us_max BIGINT,
    caller_dropped BIGINT,
    caller_payload_type BIGINT,
    caller_codec TEXT,
    caller_media_remote TEXT,
    called_received BIGINT,
    called_received_octets BIGINT,
    called_sent BIGINT,
    called_sent_octets BIGINT,
    called_lost BIGINT,
    called_jitter_us BIGINT,
    called_jitter_us_max BIGINT,
    called_dropped BIGINT,
    called_payload_type BIGINT,
    called_codec TEXT,
    called_media_remote TEXT,
    unpriced BIGINT NOT NULL,
    hops_dropped BIGINT NOT NULL,
    facts_dropped BIGINT NOT NULL,
    PRIMARY KEY (id, part)
);
CREATE INDEX cdrs_ended ON cdrs (ended_us, id);
CREATE INDEX cdrs_tenant_ended ON cdrs (tenant_id, ended_us, id);
CREATE INDEX cdrs_account_ended ON cdrs (caller_account_id, ended_us, id);

-- Who pays what for a record: the caller's account, resellers above it bottom up, the supplier.
CREATE TABLE cdr_charges (
    cdr_id BIGINT NOT NULL,
    part BIGINT NOT NULL,
    position BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('customer', 'reseller', 'supplier')),
    account_id BIGINT NOT NULL,
    organization_id BIGINT NOT NULL,
    payee_id BIGINT,
    prepaid BIGINT NOT NULL,
    currency TEXT NOT NULL,
    minor_digits BIGINT NOT NULL,
    net BIGINT NOT NULL,
    vat_ppm BIGINT NOT NULL,
    gross BIGINT NOT NULL,
    charged_ms BIGINT NOT NULL,
    step_ms BIGINT NOT NULL,
    unit_price BIGINT NOT NULL,
    price_currency TEXT NOT NULL,
    price_minor_digits BIGINT NOT NULL,
    tariff_id BIGINT,
    rate_id BIGINT,
    PRIMARY KEY (cdr_id, part, position),
    FOREIGN KEY (cdr_id, part) REFERENCES cdrs (id, part)
);

-- Branches that are not the called leg of their record.
CREATE TABLE cdr_hops (
    cdr_id BIGINT NOT NULL,
    part BIGINT NOT NULL,
    position BIGINT NOT NULL,
    stage BIGINT NOT NULL,
    branch BIGINT NOT NULL,
    trunk_id BIGINT,
    subscriber_id BIGINT,
    supplier_id BIGINT,
    dialled TEXT NOT NULL,
    remote TEXT NOT NULL,
    started_us BIGINT NOT NULL,
    rang_us BIGINT,
    answered_us BIGINT,
    ended_us BIGINT NOT NULL,
    party BIGINT NOT NULL,
    reason BIGINT NOT NULL,
    sip BIGINT NOT NULL,
    q850 BIGINT NOT NULL,
    PRIMARY KEY (cdr_id, part, position),
    FOREIGN KEY (cdr_id, part) REFERENCES cdrs (id, part)
);
