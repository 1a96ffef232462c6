-- Lists of numbers that may not be called, or may not call: whose calls they are about, and what
-- follows from standing on one. Their entries, millions of them, lie in files of the host.
CREATE TABLE number_lists (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT REFERENCES tenants (id),
    account_id BIGINT,
    trunk_id BIGINT,
    name TEXT NOT NULL,
    side TEXT NOT NULL,
    effect TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    CHECK (tenant_id IS NOT NULL OR (account_id IS NULL AND trunk_id IS NULL)),
    CHECK (account_id IS NULL OR trunk_id IS NULL),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id),
    FOREIGN KEY (tenant_id, trunk_id) REFERENCES trunks (tenant_id, id)
);

INSERT INTO next_ids (kind, next) VALUES ('number_lists', 1);
