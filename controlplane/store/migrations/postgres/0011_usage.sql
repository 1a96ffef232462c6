-- What the calls of an account cost, by the quarter of an hour in which they began (quarters since
-- 1970 UTC): days and months of any time zone are sums of them. Written with the records.
CREATE TABLE account_usage (
    tenant_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    quarter BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (account_id, quarter)
);
CREATE INDEX account_usage_quarter ON account_usage (quarter);
INSERT INTO account_usage (tenant_id, account_id, quarter, amount)
SELECT d.tenant_id, c.account_id, d.started_us / 900000000, CAST(SUM(c.gross) AS BIGINT)
FROM cdrs d JOIN cdr_charges c ON c.cdr_id = d.id AND c.part = d.part
WHERE d.tenant_id IS NOT NULL AND c.kind IN ('customer', 'reseller') AND c.gross > 0
GROUP BY d.tenant_id, c.account_id, d.started_us / 900000000;

-- Most that the calls of one day and of one month may cost.
ALTER TABLE accounts ADD COLUMN day_max BIGINT;
ALTER TABLE accounts ADD COLUMN month_max BIGINT;
