-- What statistics are sums of (ADR 0122): written with the records, one row for each cube (which
-- sums these are), slot (quarter of an hour or day since 1970), tenant, subject (account or trunk),
-- class (beginning of called numbers, base 12 behind a 1) and currency (0 where
-- nobody pays): counts stand beside what callers pay.
CREATE TABLE statistic_cells (
    cube BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    subject_id BIGINT NOT NULL,
    class BIGINT NOT NULL,
    currency BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    answered BIGINT NOT NULL,
    effective BIGINT NOT NULL,
    rang BIGINT NOT NULL,
    talk_ms BIGINT NOT NULL,
    billable_ms BIGINT NOT NULL,
    setup_ms BIGINT NOT NULL,
    ring_ms BIGINT NOT NULL,
    held_ms BIGINT NOT NULL,
    over_5s BIGINT NOT NULL,
    over_10s BIGINT NOT NULL,
    over_15s BIGINT NOT NULL,
    over_20s BIGINT NOT NULL,
    over_30s BIGINT NOT NULL,
    over_60s BIGINT NOT NULL,
    over_120s BIGINT NOT NULL,
    customer BIGINT NOT NULL,
    reseller BIGINT NOT NULL,
    supplier BIGINT NOT NULL,
    PRIMARY KEY (cube, slot, tenant_id, subject_id, class, currency)
);
CREATE INDEX statistic_cells_subject ON statistic_cells (cube, subject_id, slot);
