-- Whether the Via of a contact's REGISTER named another address than it came from.
ALTER TABLE bindings ADD COLUMN nated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE trunk_bindings ADD COLUMN nated INTEGER NOT NULL DEFAULT 0;
