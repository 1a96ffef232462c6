-- Which organizations stand below which: each stands below itself at depth 0. Made from `parent_id`
-- and kept in the transaction that changes it, so that a subtree is one look into an index.
CREATE TABLE organization_tree (
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    above_id INTEGER NOT NULL,
    below_id INTEGER NOT NULL,
    depth INTEGER NOT NULL CHECK (depth >= 0),
    PRIMARY KEY (above_id, below_id),
    FOREIGN KEY (tenant_id, above_id) REFERENCES organizations (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, below_id) REFERENCES organizations (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX organization_tree_below ON organization_tree (below_id, depth);
INSERT INTO organization_tree (tenant_id, above_id, below_id, depth)
WITH RECURSIVE up (tenant_id, above_id, below_id, depth) AS (
    SELECT tenant_id, id, id, 0 FROM organizations
    UNION ALL
    SELECT o.tenant_id, o.parent_id, up.below_id, up.depth + 1
    FROM up JOIN organizations o ON o.id = up.above_id WHERE o.parent_id IS NOT NULL
)
SELECT tenant_id, above_id, below_id, depth FROM up;

-- People who log in. One without a tenant serves the whole host. What a user sees is the narrowest
-- of subscriber, account, organization, tenant; a login goes with what it is bound to. The password
-- is a hash (argon2id, PHC text); the secret of the second factor is sealed with the host's key.
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER REFERENCES tenants (id) ON DELETE CASCADE,
    organization_id INTEGER,
    account_id INTEGER,
    subscriber_id INTEGER,
    name TEXT NOT NULL,
    display TEXT NOT NULL,
    role TEXT NOT NULL,
    password TEXT,
    password_us INTEGER,
    enabled INTEGER NOT NULL,
    totp TEXT,
    totp_confirmed INTEGER NOT NULL,
    totp_step INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id)
        ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id) ON DELETE CASCADE
) STRICT;
-- Two NULLs are never equal: users of the host need a rule of their own.
CREATE UNIQUE INDEX users_host_name ON users (name) WHERE tenant_id IS NULL;
CREATE INDEX users_organization ON users (organization_id);
CREATE INDEX users_account ON users (account_id);
CREATE INDEX users_subscriber ON users (subscriber_id);

-- One-time codes for a lost second factor: only hashes are kept.
CREATE TABLE recovery_codes (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    PRIMARY KEY (user_id, hash)
) STRICT, WITHOUT ROWID;

-- Tokens get owners, bounds and an end. SQLite drops no constraint, so the table is made again.
CREATE TABLE new_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_us INTEGER NOT NULL,
    organization_id INTEGER,
    account_id INTEGER,
    subscriber_id INTEGER,
    -- Whose it is, and the token that it was made with: it goes with either.
    user_id INTEGER REFERENCES users (id) ON DELETE CASCADE,
    parent_id INTEGER REFERENCES tokens (id) ON DELETE CASCADE,
    expires_us INTEGER,
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id)
        ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id) ON DELETE CASCADE
) STRICT;
INSERT INTO new_tokens (id, tenant_id, name, role, hash, created_us)
SELECT id, tenant_id, name, role, hash, created_us FROM tokens;
DROP TABLE tokens;
ALTER TABLE new_tokens RENAME TO tokens;
CREATE INDEX tokens_user ON tokens (user_id);
CREATE INDEX tokens_parent ON tokens (parent_id);

-- Logins that run. `actor_id` is who really acts when somebody acts for the user.
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    actor_id INTEGER REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    agent TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    used_us INTEGER NOT NULL,
    idle_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_actor ON sessions (actor_id);
CREATE INDEX sessions_expires ON sessions (expires_us);

-- The change log says for whom, in which request, and what stood there before and after (JSON in
-- which no secret stands). The organization is the one that the row belonged to.
ALTER TABLE changes ADD COLUMN organization_id INTEGER;
ALTER TABLE changes ADD COLUMN on_behalf TEXT;
ALTER TABLE changes ADD COLUMN request TEXT;
ALTER TABLE changes ADD COLUMN before TEXT;
ALTER TABLE changes ADD COLUMN after TEXT;
CREATE INDEX changes_tenant ON changes (tenant_id, seq);
CREATE INDEX changes_resource ON changes (resource, id, seq);
