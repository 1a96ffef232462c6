-- When a price counts (a class of times), and for numbers of how many digits.
ALTER TABLE rates ADD COLUMN class TEXT NOT NULL DEFAULT 'all';
ALTER TABLE rates ADD COLUMN digits_min BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rates ADD COLUMN digits_max BIGINT NOT NULL DEFAULT 0;

-- Days that are holidays, or working days at a weekend; days since 1970, prefixes in JSON.
CREATE TABLE holidays (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    from_day BIGINT NOT NULL,
    until_day BIGINT NOT NULL,
    working BIGINT NOT NULL,
    prefixes TEXT NOT NULL,
    UNIQUE (tenant_id, id)
);

-- What one unit of a currency is worth in the tenant's, 1e-9, from a time on.
CREATE TABLE exchange_rates (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    currency TEXT NOT NULL,
    minor_digits BIGINT NOT NULL,
    rate BIGINT NOT NULL CHECK (rate > 0),
    from_us BIGINT NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, currency, from_us)
);

-- What is taken off an account's prices: by prefix (JSON), and off all of them; 1e-4.
ALTER TABLE accounts ADD COLUMN discounts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE accounts ADD COLUMN reduction_bp BIGINT NOT NULL DEFAULT 0;
-- It pays for the calls of accounts below its organization too.
ALTER TABLE accounts ADD COLUMN resells BIGINT NOT NULL DEFAULT 0;

INSERT INTO next_ids (kind, next) VALUES ('holidays', 1), ('exchange_rates', 1);
