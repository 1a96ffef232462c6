-- Rules about calls: conditions in CEL, actions as JSON.
CREATE TABLE rules (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    stage TEXT NOT NULL,
    position BIGINT NOT NULL,
    condition TEXT NOT NULL,
    actions TEXT NOT NULL,
    last BIGINT NOT NULL,
    enabled BIGINT NOT NULL,
    UNIQUE (tenant_id, id)
);

INSERT INTO next_ids (kind, next) VALUES ('rules', 1);
