-- Files with prices as suppliers send them: what they are, how they are read, how far they are. The
-- files lie in the directory of the data.
CREATE TABLE imports (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    tariff_id BIGINT NOT NULL REFERENCES tariffs (id),
    file TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('uploaded', 'mapped', 'checked', 'writing', 'published',
        'undone', 'failed')),
    reading TEXT NOT NULL,
    report TEXT NOT NULL,
    revision BIGINT,
    effective_us BIGINT,
    rows BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    changed_us BIGINT NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (tariff_id, revision)
);
CREATE INDEX imports_tariff ON imports (tariff_id, id);

INSERT INTO next_ids (kind, next) VALUES ('imports', 1);
