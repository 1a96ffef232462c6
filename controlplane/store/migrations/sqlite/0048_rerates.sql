-- Records that are rated again: which, by what prices, how far it is, and what came out. A run is
-- prepared, looked at, and then published or discarded; lines up to `posted` count. `number` counts
-- the published runs of a tenant; one that was prepared on another `basis` than the newest of them
-- would correct what is corrected already.
CREATE TABLE rerates (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    key TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('preparing', 'prepared', 'publishing', 'published', 'discarded')),
    from_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    account_id INTEGER,
    tariff_id INTEGER,
    trunk_id INTEGER,
    charge_kind TEXT CHECK (charge_kind IN ('customer', 'reseller', 'supplier')),
    new_tariff_id INTEGER,
    prices_us INTEGER,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    basis INTEGER NOT NULL,
    number INTEGER,
    with_money INTEGER,
    prepared_us INTEGER,
    published_us INTEGER,
    last_ended_us INTEGER NOT NULL,
    last_cdr_id INTEGER NOT NULL,
    last_part INTEGER NOT NULL,
    records INTEGER NOT NULL,
    same INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    posted INTEGER NOT NULL,
    UNIQUE (tenant_id, key)
) STRICT;

-- A charge that other prices change: what counted before and what would count, or counts, now.
-- Never changed; `version` counts the ratings of a charge, the record's own is 1. `position` is
-- 0 for the customer, from 1 on the resellers, -1 for the supplier.
CREATE TABLE rerate_lines (
    rerate_id INTEGER NOT NULL,
    line INTEGER NOT NULL,
    cdr_id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    position INTEGER NOT NULL,
    version INTEGER NOT NULL,
    was_net INTEGER NOT NULL,
    was_gross INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    organization_id INTEGER NOT NULL,
    payee_id INTEGER,
    net INTEGER NOT NULL,
    vat_ppm INTEGER NOT NULL,
    gross INTEGER NOT NULL,
    charged_ms INTEGER NOT NULL,
    free_ms INTEGER NOT NULL,
    allowance_id INTEGER,
    step_ms INTEGER NOT NULL,
    unit_price INTEGER NOT NULL,
    tariff_id INTEGER,
    rate_id INTEGER,
    prepaid INTEGER NOT NULL,
    minor_digits INTEGER NOT NULL,
    price_minor_digits INTEGER,
    currency TEXT NOT NULL,
    price_currency TEXT,
    PRIMARY KEY (rerate_id, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX rerate_lines_cdr ON rerate_lines (cdr_id, part, position);

-- Transfers may come from a re-rating. SQLite changes no condition in place.
CREATE TABLE transfers_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    debit_id INTEGER NOT NULL,
    credit_id INTEGER NOT NULL,
    unit TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    kind TEXT NOT NULL,
    cause_kind TEXT NOT NULL CHECK (cause_kind IN ('batch', 'request', 'transfer', 'rerate')),
    cause_id INTEGER NOT NULL,
    CHECK (debit_id <> credit_id),
    FOREIGN KEY (tenant_id, debit_id, unit) REFERENCES ledger_accounts (tenant_id, id, unit),
    FOREIGN KEY (tenant_id, credit_id, unit) REFERENCES ledger_accounts (tenant_id, id, unit)
) STRICT;
INSERT INTO transfers_new SELECT * FROM transfers;
DROP TABLE transfers;
ALTER TABLE transfers_new RENAME TO transfers;
CREATE INDEX transfers_debit ON transfers (debit_id, id);
CREATE INDEX transfers_credit ON transfers (credit_id, id);
CREATE INDEX transfers_cause ON transfers (cause_kind, cause_id);
