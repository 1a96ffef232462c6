-- DIDs that many subscribers have, and the contacts of subscribers, which say between whom one is.
ALTER TABLE dids ADD COLUMN shared INTEGER NOT NULL DEFAULT 0;

CREATE TABLE phonebook_entries (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenants (id),
    subscriber_id INTEGER NOT NULL,
    number TEXT NOT NULL,
    name TEXT NOT NULL,
    did_id INTEGER,
    UNIQUE (subscriber_id, did_id),
    FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id),
    FOREIGN KEY (tenant_id, did_id) REFERENCES dids (tenant_id, id)
) STRICT;

INSERT INTO next_ids (kind, next) VALUES ('phonebook_entries', 1);
