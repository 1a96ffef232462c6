-- Rules about prices (ADR 0160): by which tariff accounts pay that have none of their own.
CREATE TABLE price_rules (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    organization_id BIGINT,
    callers TEXT NOT NULL,
    called TEXT NOT NULL,
    times TEXT NOT NULL,
    except_times TEXT NOT NULL,
    from_us BIGINT,
    until_us BIGINT,
    tariff_id BIGINT,
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id),
    FOREIGN KEY (tenant_id, tariff_id) REFERENCES tariffs (tenant_id, id)
);

INSERT INTO next_ids (kind, next) VALUES ('price_rules', 1);
