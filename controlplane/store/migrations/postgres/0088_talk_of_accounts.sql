-- How long the calls talked that an account made, beside what its calls cost: what a day or a month
-- may talk is held against it. Records of the last 62 days are counted, two months at most.
ALTER TABLE account_usage ADD COLUMN talk_ms BIGINT NOT NULL DEFAULT 0;
INSERT INTO account_usage (tenant_id, account_id, quarter, amount, talk_ms)
SELECT tenant_id, caller_account_id, started_us / 900000000, 0,
    CAST(SUM(CASE WHEN talk_ms > 2592000000 THEN 2592000000 ELSE talk_ms END) AS BIGINT)
FROM cdrs
WHERE tenant_id IS NOT NULL AND caller_account_id IS NOT NULL AND answered_us IS NOT NULL
    AND talk_ms > 0 AND ended_us > (SELECT MAX(ended_us) FROM cdrs) - 5356800000000
GROUP BY tenant_id, caller_account_id, started_us / 900000000
ON CONFLICT (account_id, quarter) DO UPDATE SET talk_ms = excluded.talk_ms;
