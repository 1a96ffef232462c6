-- Packets of money (ADR 0163): what an allowance has beside, or in place of, seconds, and what records
-- used of it.
ALTER TABLE allowances ADD COLUMN credit BIGINT NOT NULL DEFAULT 0;
ALTER TABLE allowances DROP CONSTRAINT allowances_seconds_check;
ALTER TABLE allowances ADD CHECK (seconds >= 0 AND credit >= 0 AND (seconds > 0) <> (credit > 0));
ALTER TABLE allowance_usage ADD COLUMN used BIGINT NOT NULL DEFAULT 0;

-- What a packet pays is a row of cdr_levels at position 96.
DROP VIEW v_cdr_charges;
-- Who pays what for each record: the customer, resellers above it bottom up; who is owed what:
-- agents, the account that a packet pays for, the supplier last.
CREATE VIEW v_cdr_charges AS
SELECT
    cdr_id, part, position, kind, account_id, organization_id, payee_id, prepaid, currency,
    round(net * unit, digits) AS net, round(gross * unit, digits) AS gross, vat_ppm, charged_ms,
    free_ms, allowance_id, step_ms, round(unit_price * power(10::NUMERIC, -9), 9) AS unit_price,
    COALESCE(price_currency, currency) AS price_currency, tariff_id, rate_id
FROM (
    SELECT u.*,
        6 + minor_digits AS digits,
        power(10::NUMERIC, -6 - minor_digits) AS unit
    FROM (
        SELECT
            id AS cdr_id, part, 0 AS position, 'customer' AS kind,
            customer_account_id AS account_id, customer_organization_id AS organization_id,
            customer_payee_id AS payee_id, customer_prepaid AS prepaid,
            customer_currency AS currency, customer_minor_digits AS minor_digits,
            customer_net AS net, customer_gross AS gross, customer_vat_ppm AS vat_ppm,
            customer_charged_ms AS charged_ms, customer_free_ms AS free_ms,
            customer_allowance_id AS allowance_id, customer_step_ms AS step_ms,
            customer_unit_price AS unit_price, customer_price_currency AS price_currency,
            customer_tariff_id AS tariff_id, customer_rate_id AS rate_id
        FROM cdrs WHERE customer_account_id IS NOT NULL
        UNION ALL
        SELECT
            cdr_id, part, position,
            CASE WHEN position < 64 THEN 'reseller' WHEN position < 96 THEN 'commission'
                ELSE 'packet' END, account_id, organization_id, payee_id, prepaid,
            currency, minor_digits, net, gross, vat_ppm, charged_ms, free_ms, allowance_id,
            step_ms, unit_price, price_currency, tariff_id, rate_id
        FROM cdr_levels
        UNION ALL
        SELECT
            id, part, 32767, 'supplier', supplier_account_id, supplier_organization_id,
            supplier_payee_id, supplier_prepaid, supplier_currency, supplier_minor_digits,
            supplier_net, supplier_gross, supplier_vat_ppm, supplier_charged_ms,
            supplier_free_ms, supplier_allowance_id, supplier_step_ms, supplier_unit_price,
            supplier_price_currency, supplier_tariff_id, supplier_rate_id
        FROM cdrs WHERE supplier_account_id IS NOT NULL
    ) u
) c;
