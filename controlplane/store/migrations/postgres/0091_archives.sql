-- Records that left the database (ADR 0219): what each step took, and what its records charged.
-- These sums stand in the place of the charges, so that the audit of the books goes on to prove
-- every batch, quarter and allowance from nothing.
CREATE TABLE archives (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT,
    from_us BIGINT NOT NULL,
    until_us BIGINT NOT NULL,
    records BIGINT NOT NULL,
    in_file BIGINT NOT NULL,
    at_us BIGINT NOT NULL
);
-- Of charges above zero, and apart from them of the others.
CREATE TABLE archived_charges (
    archive_id BIGINT NOT NULL,
    batch BIGINT NOT NULL,
    tenant_id BIGINT,
    started_us BIGINT NOT NULL,
    kind TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    organization_id BIGINT NOT NULL,
    payee_id BIGINT,
    currency TEXT NOT NULL,
    minor_digits BIGINT NOT NULL,
    net BIGINT NOT NULL,
    gross BIGINT NOT NULL,
    free_ms BIGINT NOT NULL,
    allowance_id BIGINT
);
CREATE INDEX archived_charges_batch ON archived_charges (batch);
