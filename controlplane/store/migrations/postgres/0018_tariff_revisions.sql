-- Prices are append-only revisions: publishing or undoing one changes its row alone, however many
-- prices it holds. What stood here before is revision 1.
CREATE TABLE tariff_revisions (
    tariff_id BIGINT NOT NULL REFERENCES tariffs (id),
    number BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'published', 'undone')),
    effective_us BIGINT NOT NULL,
    note TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    published_us BIGINT,
    PRIMARY KEY (tariff_id, number)
);
INSERT INTO tariff_revisions (tariff_id, number, state, effective_us, note, created_us, published_us)
    SELECT id, 1, 'published', 0, '', 0, 0 FROM tariffs;

ALTER TABLE rates ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE rates ADD COLUMN removed BIGINT NOT NULL DEFAULT 0;
DROP INDEX rates_tariff_prefix;
CREATE INDEX rates_tariff_revision ON rates (tariff_id, revision, prefix);
