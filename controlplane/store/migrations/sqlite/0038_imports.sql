-- Files with prices as suppliers send them: what they are, how they are read, how far they are. The
-- files lie in the directory of the data.
CREATE TABLE imports (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    tariff_id INTEGER NOT NULL REFERENCES tariffs (id),
    file TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('uploaded', 'mapped', 'checked', 'writing', 'published',
        'undone', 'failed')),
    reading TEXT NOT NULL,
    report TEXT NOT NULL,
    revision INTEGER,
    effective_us INTEGER,
    rows INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    changed_us INTEGER NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (tariff_id, revision)
) STRICT;
CREATE INDEX imports_tariff ON imports (tariff_id, id);

INSERT INTO next_ids (kind, next) VALUES ('imports', 1);
