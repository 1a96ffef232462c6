-- What statistics are sums of (ADR 0122): written with the records, one row for each cube (which
-- sums these are), slot (quarter of an hour or day since 1970), tenant, subject (account or trunk),
-- class (beginning of called numbers, base 12 behind a 1) and currency (0 where
-- nobody pays): counts stand beside what callers pay.
CREATE TABLE statistic_cells (
    cube INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    tenant_id INTEGER NOT NULL,
    subject_id INTEGER NOT NULL,
    class INTEGER NOT NULL,
    currency INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    effective INTEGER NOT NULL,
    rang INTEGER NOT NULL,
    talk_ms INTEGER NOT NULL,
    billable_ms INTEGER NOT NULL,
    setup_ms INTEGER NOT NULL,
    ring_ms INTEGER NOT NULL,
    held_ms INTEGER NOT NULL,
    over_5s INTEGER NOT NULL,
    over_10s INTEGER NOT NULL,
    over_15s INTEGER NOT NULL,
    over_20s INTEGER NOT NULL,
    over_30s INTEGER NOT NULL,
    over_60s INTEGER NOT NULL,
    over_120s INTEGER NOT NULL,
    customer INTEGER NOT NULL,
    reseller INTEGER NOT NULL,
    supplier INTEGER NOT NULL,
    PRIMARY KEY (cube, slot, tenant_id, subject_id, class, currency)
) STRICT, WITHOUT ROWID;
CREATE INDEX statistic_cells_subject ON statistic_cells (cube, subject_id, slot);
