-- Free time of accounts: what a client gave, once for each key of an account.
CREATE TABLE allowances (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT,
    seconds INTEGER NOT NULL CHECK (seconds > 0),
    from_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    actor TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    UNIQUE (account_id, key),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
) STRICT;

-- What records used of each. Written with the records.
CREATE TABLE allowance_usage (
    allowance_id INTEGER NOT NULL PRIMARY KEY,
    used_ms INTEGER NOT NULL
) STRICT;

-- What an allowance paid of the talk, beside what was charged.
ALTER TABLE cdr_charges ADD COLUMN free_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdr_charges ADD COLUMN allowance_id INTEGER;
