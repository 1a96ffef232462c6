-- Prices are append-only revisions: publishing or undoing one changes its row alone, however many
-- prices it holds. What stood here before is revision 1.
CREATE TABLE tariff_revisions (
    tariff_id INTEGER NOT NULL REFERENCES tariffs (id),
    number INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'published', 'undone')),
    effective_us INTEGER NOT NULL,
    note TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    published_us INTEGER,
    PRIMARY KEY (tariff_id, number)
) STRICT, WITHOUT ROWID;
INSERT INTO tariff_revisions (tariff_id, number, state, effective_us, note, created_us, published_us)
    SELECT id, 1, 'published', 0, '', 0, 0 FROM tariffs;

ALTER TABLE rates ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE rates ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
DROP INDEX rates_tariff_prefix;
CREATE INDEX rates_tariff_revision ON rates (tariff_id, revision, prefix);
