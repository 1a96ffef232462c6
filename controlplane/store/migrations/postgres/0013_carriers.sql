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
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    numbers TEXT NOT NULL,
    short TEXT,
    mode TEXT NOT NULL CHECK (mode IN ('parallel', 'in-turn', 'rotating')),
    members TEXT NOT NULL,
    overflow TEXT,
    enabled BIGINT NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
);

-- Exactly one of the three targets.
CREATE TABLE dids (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    organization_id BIGINT NOT NULL,
    number TEXT NOT NULL,
    subscriber_id BIGINT,
    trunk_id BIGINT,
    ring_group_id BIGINT,
    enabled BIGINT NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, number),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id),
    FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id),
    FOREIGN KEY (tenant_id, trunk_id) REFERENCES trunks (tenant_id, id),
    FOREIGN KEY (tenant_id, ring_group_id) REFERENCES ring_groups (tenant_id, id)
);

-- Credentials that we show to carriers; the password is sealed under the host's key.
CREATE TABLE trunk_logins (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    trunk_id BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    username TEXT NOT NULL,
    auth_username TEXT,
    realm TEXT,
    password TEXT NOT NULL,
    register BIGINT NOT NULL,
    registrar_host TEXT,
    registrar_port BIGINT,
    contact_user TEXT,
    expires_s BIGINT NOT NULL,
    caller_number TEXT,
    enabled BIGINT NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, trunk_id) REFERENCES trunks (tenant_id, id)
);

-- Networks that we do not talk to, whichever tenant they mean.
CREATE TABLE bans (
    id BIGINT PRIMARY KEY,
    network TEXT NOT NULL,
    prefix_len BIGINT NOT NULL,
    reason TEXT NOT NULL,
    from_us BIGINT NOT NULL,
    until_us BIGINT,
    UNIQUE (network, prefix_len)
);
