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
    PRIMARY KEY (subscriber_id, uri, instance, reg_id)
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
