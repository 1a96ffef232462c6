-- Packets of money (ADR 0163): what an allowance has beside, or in place of, seconds, and what records
-- used of it.
-- SQLite changes no condition in place.
CREATE TABLE allowances_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT,
    seconds INTEGER NOT NULL,
    from_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    actor TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    renew_days INTEGER,
    renew_until_us INTEGER,
    renews_id INTEGER,
    price INTEGER NOT NULL DEFAULT 0,
    vat_ppm INTEGER NOT NULL DEFAULT 0,
    credit INTEGER NOT NULL DEFAULT 0,
    CHECK (seconds >= 0 AND credit >= 0 AND (seconds > 0) <> (credit > 0)),
    UNIQUE (account_id, key),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
) STRICT;
INSERT INTO allowances_new SELECT id, tenant_id, account_id, key, name, prefix, seconds, from_us,
    until_us, actor, at_us, renew_days, renew_until_us, renews_id, price, vat_ppm, 0
    FROM allowances;
DROP TABLE allowances;
ALTER TABLE allowances_new RENAME TO allowances;
CREATE UNIQUE INDEX allowances_renews ON allowances (renews_id);
ALTER TABLE allowance_usage ADD COLUMN used INTEGER NOT NULL DEFAULT 0;

-- What a packet pays is a row of cdr_levels at position 96.
DROP VIEW v_cdr_charges;
-- Who pays what for each record: the customer, resellers above it bottom up; who is owed what:
-- agents, the account that a packet pays for, the supplier last.
CREATE VIEW v_cdr_charges AS
SELECT
    cdr_id, part, position, kind, account_id, organization_id, payee_id, prepaid, currency,
    CASE WHEN net IS NOT NULL THEN
        printf('%s%d.%0*d', CASE WHEN net < 0 THEN '-' ELSE '' END,
        abs(net) / unit, digits, abs(net) % unit) END AS net,
    CASE WHEN gross IS NOT NULL THEN
        printf('%s%d.%0*d', CASE WHEN gross < 0 THEN '-' ELSE '' END,
        abs(gross) / unit, digits, abs(gross) % unit) END AS gross,
    vat_ppm, charged_ms, free_ms, allowance_id, step_ms,
    printf('%s%d.%09d', CASE WHEN unit_price < 0 THEN '-' ELSE '' END,
        abs(unit_price) / 1000000000, abs(unit_price) % 1000000000) AS unit_price,
    COALESCE(price_currency, currency) AS price_currency, tariff_id, rate_id
FROM (
    SELECT u.*,
        6 + minor_digits AS digits,
        CAST(substr('10000000000', 1, 7 + minor_digits) AS INTEGER) AS unit
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
