-- Callers that may not call, or that may whatever others may not: of one account, of numbers that
-- begin so, or both. That no two say the same is seen to by who writes.
CREATE TABLE caller_rules (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    account_id INTEGER,
    prefix TEXT NOT NULL,
    allow INTEGER NOT NULL,
    reason TEXT NOT NULL,
    from_us INTEGER NOT NULL,
    until_us INTEGER,
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
) STRICT;

INSERT INTO next_ids (kind, next) VALUES ('caller_rules', 1);
