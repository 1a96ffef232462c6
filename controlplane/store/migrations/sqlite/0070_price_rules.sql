-- Rules about prices (ADR 0160): by which tariff accounts pay that have none of their own.
CREATE TABLE price_rules (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    organization_id INTEGER,
    callers TEXT NOT NULL,
    called TEXT NOT NULL,
    times TEXT NOT NULL,
    except_times TEXT NOT NULL,
    from_us INTEGER,
    until_us INTEGER,
    tariff_id INTEGER,
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id),
    FOREIGN KEY (tenant_id, tariff_id) REFERENCES tariffs (tenant_id, id)
) STRICT;

INSERT INTO next_ids (kind, next) VALUES ('price_rules', 1);
