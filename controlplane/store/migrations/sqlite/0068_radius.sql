-- Servers that are asked about calls or told of them (ADR 0156, ADR 0158); the secret is sealed under
-- the host's key, further attributes are JSON.
CREATE TABLE radius_servers (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER REFERENCES tenants (id),
    purpose TEXT NOT NULL CHECK (purpose IN ('access', 'accounting')),
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    secret TEXT NOT NULL,
    priority INTEGER NOT NULL,
    again_ms INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    dead_s INTEGER NOT NULL,
    nas_identifier TEXT NOT NULL,
    attributes TEXT NOT NULL,
    enabled INTEGER NOT NULL
) STRICT;

INSERT INTO next_ids (kind, next) VALUES ('radius_servers', 1);

-- What such servers are still to be told: written with the records, deleted when it is answered.
CREATE TABLE radius_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    session TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX radius_events_by_tenant ON radius_events (tenant_id, id);
