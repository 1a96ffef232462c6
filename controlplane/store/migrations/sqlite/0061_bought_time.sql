-- What free time cost the account that bought it, with tax, and the tax in that.
ALTER TABLE allowances ADD COLUMN price INTEGER NOT NULL DEFAULT 0;
ALTER TABLE allowances ADD COLUMN vat_ppm INTEGER NOT NULL DEFAULT 0;

-- Transfers may come from free time that was bought. SQLite changes no condition in place.
CREATE TABLE transfers_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    debit_id INTEGER NOT NULL,
    credit_id INTEGER NOT NULL,
    unit TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    kind TEXT NOT NULL,
    cause_kind TEXT NOT NULL
        CHECK (cause_kind IN ('batch', 'request', 'transfer', 'rerate', 'allowance')),
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
