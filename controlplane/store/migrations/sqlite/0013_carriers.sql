-- What called parties see of a subscriber, what it may call, where its calls go instead: JSON.
ALTER TABLE subscribers ADD COLUMN identity TEXT NOT NULL
    DEFAULT '{"cli":"normal","number":null,"any_number":false}';
ALTER TABLE subscribers ADD COLUMN barring TEXT NOT NULL
    DEFAULT '{"all":false,"allowed":[],"blocked":[]}';
ALTER TABLE subscribers ADD COLUMN forwards TEXT NOT NULL DEFAULT '[]';
UPDATE subscribers SET identity = '{"cli":"hide","number":null,"any_number":false}'
    WHERE hide_number = 1;
ALTER TABLE subscribers DROP COLUMN hide_number;

CREATE TABLE ring_groups (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    organization_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    numbers TEXT NOT NULL,
    short TEXT,
    mode TEXT NOT NULL CHECK (mode IN ('parallel', 'in-turn', 'rotating')),
    members TEXT NOT NULL,
    overflow TEXT,
    enabled INTEGER NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
) STRICT;

-- Exactly one of the three targets.
CREATE TABLE dids (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    organization_id INTEGER NOT NULL,
    number TEXT NOT NULL,
    subscriber_id INTEGER,
    trunk_id INTEGER,
    ring_group_id INTEGER,
    enabled INTEGER NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, number),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id),
    FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id),
    FOREIGN KEY (tenant_id, trunk_id) REFERENCES trunks (tenant_id, id),
    FOREIGN KEY (tenant_id, ring_group_id) REFERENCES ring_groups (tenant_id, id)
) STRICT;

-- Credentials that we show to carriers; the password is sealed under the host's key.
CREATE TABLE trunk_logins (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    trunk_id INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    username TEXT NOT NULL,
    auth_username TEXT,
    realm TEXT,
    password TEXT NOT NULL,
    register INTEGER NOT NULL,
    registrar_host TEXT,
    registrar_port INTEGER,
    contact_user TEXT,
    expires_s INTEGER NOT NULL,
    caller_number TEXT,
    enabled INTEGER NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, trunk_id) REFERENCES trunks (tenant_id, id)
) STRICT;

-- Networks that we do not talk to, whichever tenant they mean.
CREATE TABLE bans (
    id INTEGER PRIMARY KEY,
    network TEXT NOT NULL,
    prefix_len INTEGER NOT NULL,
    reason TEXT NOT NULL,
    from_us INTEGER NOT NULL,
    until_us INTEGER,
    UNIQUE (network, prefix_len)
) STRICT;
