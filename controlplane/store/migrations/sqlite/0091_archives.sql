-- Records that left the database (ADR 0219): what each step took, and what its records charged.
-- These sums stand in the place of the charges, so that the audit of the books goes on to prove
-- every batch, quarter and allowance from nothing.
CREATE TABLE archives (
    id INTEGER PRIMARY KEY NOT NULL,
    tenant_id INTEGER,
    from_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    records INTEGER NOT NULL,
    in_file INTEGER NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;
-- Of charges above zero, and apart from them of the others.
CREATE TABLE archived_charges (
    archive_id INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    tenant_id INTEGER,
    started_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    organization_id INTEGER NOT NULL,
    payee_id INTEGER,
    currency TEXT NOT NULL,
    minor_digits INTEGER NOT NULL,
    net INTEGER NOT NULL,
    gross INTEGER NOT NULL,
    free_ms INTEGER NOT NULL,
    allowance_id INTEGER
) STRICT;
CREATE INDEX archived_charges_batch ON archived_charges (batch);
