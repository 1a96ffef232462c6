-- Rules about calls: conditions in CEL, actions as JSON.
CREATE TABLE rules (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    stage TEXT NOT NULL,
    position INTEGER NOT NULL,
    condition TEXT NOT NULL,
    actions TEXT NOT NULL,
    last INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    UNIQUE (tenant_id, id)
) STRICT;

INSERT INTO next_ids (kind, next) VALUES ('rules', 1);
