-- Ids of configuration rows are never given twice: records and books go on naming what is deleted.
CREATE TABLE next_ids (
    kind TEXT PRIMARY KEY,
    next BIGINT NOT NULL
);

-- Names of directions and emergency numbers get ids of their own.
ALTER TABLE destinations ADD COLUMN id BIGINT NOT NULL DEFAULT 0;
UPDATE destinations SET id = n.id FROM (SELECT tenant_id AS t, prefix AS p,
    ROW_NUMBER() OVER (ORDER BY tenant_id, prefix) AS id FROM destinations) AS n
    WHERE destinations.tenant_id = n.t AND destinations.prefix = n.p;
CREATE UNIQUE INDEX destinations_id ON destinations (id);
ALTER TABLE emergencies ADD COLUMN id BIGINT NOT NULL DEFAULT 0;
UPDATE emergencies SET id = n.id FROM (SELECT tenant_id AS t, number AS p,
    ROW_NUMBER() OVER (ORDER BY tenant_id, number) AS id FROM emergencies) AS n
    WHERE emergencies.tenant_id = n.t AND emergencies.number = n.p;
CREATE UNIQUE INDEX emergencies_id ON emergencies (id);

INSERT INTO next_ids (kind, next)
SELECT 'tenants', COALESCE(MAX(id), 0) + 1 FROM tenants
UNION ALL SELECT 'organizations', COALESCE(MAX(id), 0) + 1 FROM organizations
UNION ALL SELECT 'accounts', COALESCE(MAX(id), 0) + 1 FROM accounts
UNION ALL SELECT 'subscribers', COALESCE(MAX(id), 0) + 1 FROM subscribers
UNION ALL SELECT 'trunks', COALESCE(MAX(id), 0) + 1 FROM trunks
UNION ALL SELECT 'trunk_logins', COALESCE(MAX(id), 0) + 1 FROM trunk_logins
UNION ALL SELECT 'tariffs', COALESCE(MAX(id), 0) + 1 FROM tariffs
UNION ALL SELECT 'rates', COALESCE(MAX(id), 0) + 1 FROM rates
UNION ALL SELECT 'routes', COALESCE(MAX(id), 0) + 1 FROM routes
UNION ALL SELECT 'destinations', COALESCE(MAX(id), 0) + 1 FROM destinations
UNION ALL SELECT 'emergencies', COALESCE(MAX(id), 0) + 1 FROM emergencies
UNION ALL SELECT 'ring_groups', COALESCE(MAX(id), 0) + 1 FROM ring_groups
UNION ALL SELECT 'dids', COALESCE(MAX(id), 0) + 1 FROM dids
UNION ALL SELECT 'bans', COALESCE(MAX(id), 0) + 1 FROM bans;

-- What a client asked for once under a key, and what it was answered: kept for a day.
CREATE TABLE requests (
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    asked TEXT NOT NULL,
    answer TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX requests_at ON requests (at_us);
