-- What free time cost the account that bought it, with tax, and the tax in that.
ALTER TABLE allowances ADD COLUMN price BIGINT NOT NULL DEFAULT 0;
ALTER TABLE allowances ADD COLUMN vat_ppm BIGINT NOT NULL DEFAULT 0;

-- Transfers may come from free time that was bought.
ALTER TABLE transfers DROP CONSTRAINT transfers_cause_kind_check;
ALTER TABLE transfers ADD CONSTRAINT transfers_cause_kind_check
    CHECK (cause_kind IN ('batch', 'request', 'transfer', 'rerate', 'allowance'));
