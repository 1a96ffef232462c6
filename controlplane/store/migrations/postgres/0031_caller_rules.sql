-- Callers that may not call, or that may whatever others may not: of one account, of numbers that
-- begin so, or both. That no two say the same is seen to by who writes.
CREATE TABLE caller_rules (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    account_id BIGINT,
    prefix TEXT NOT NULL,
    allow BIGINT NOT NULL,
    reason TEXT NOT NULL,
    from_us BIGINT NOT NULL,
    until_us BIGINT,
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
);

INSERT INTO next_ids (kind, next) VALUES ('caller_rules', 1);
