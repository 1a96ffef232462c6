-- What is set, where: for the switch, a tenant, an account or a subscriber; the narrower wins.
CREATE TABLE settings (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER REFERENCES tenants (id),
    account_id INTEGER,
    subscriber_id INTEGER,
    category TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CHECK (tenant_id IS NOT NULL OR (account_id IS NULL AND subscriber_id IS NULL)),
    CHECK (account_id IS NULL OR subscriber_id IS NULL),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id),
    FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id)
) STRICT;

-- Each setting once at each place.
CREATE UNIQUE INDEX settings_name_system ON settings (category, name)
    WHERE tenant_id IS NULL;
CREATE UNIQUE INDEX settings_name_tenant ON settings (tenant_id, category, name)
    WHERE account_id IS NULL AND subscriber_id IS NULL;
CREATE UNIQUE INDEX settings_name_account ON settings (account_id, category, name)
    WHERE account_id IS NOT NULL;
CREATE UNIQUE INDEX settings_name_subscriber ON settings (subscriber_id, category, name)
    WHERE subscriber_id IS NOT NULL;

INSERT INTO next_ids (kind, next) VALUES ('settings', 1);
