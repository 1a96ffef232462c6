-- What the customer pays and what the supplier gets are columns of the record; only the levels of
-- resellers between them are rows of their own: one row and one key for each record in place of
-- three.
-- The currency of a price is NULL where it is the charge's own.
CREATE TABLE cdrs_wide (
    id INTEGER NOT NULL,
    tenant_id INTEGER,
    batch INTEGER NOT NULL,
    ask INTEGER NOT NULL,
    snapshot INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    rang_us INTEGER,
    answered_us INTEGER,
    ended_us INTEGER NOT NULL,
    setup_ms INTEGER NOT NULL,
    talk_ms INTEGER NOT NULL,
    billable_ms INTEGER NOT NULL,
    caller_ms INTEGER NOT NULL,
    called_ms INTEGER NOT NULL,
    caller_account_id INTEGER,
    caller_organization_id INTEGER,
    caller_subscriber_id INTEGER,
    caller_trunk_id INTEGER,
    called_subscriber_id INTEGER,
    called_trunk_id INTEGER,
    caller_received INTEGER,
    caller_received_octets INTEGER,
    caller_sent INTEGER,
    caller_sent_octets INTEGER,
    caller_lost INTEGER,
    caller_jitter_us INTEGER,
    caller_jitter_us_max INTEGER,
    caller_dropped INTEGER,
    called_received INTEGER,
    called_received_octets INTEGER,
    called_sent INTEGER,
    called_sent_octets INTEGER,
    called_lost INTEGER,
    called_jitter_us INTEGER,
    called_jitter_us_max INTEGER,
    called_dropped INTEGER,
    customer_account_id INTEGER,
    customer_organization_id INTEGER,
    customer_payee_id INTEGER,
    customer_net INTEGER,
    customer_vat_ppm INTEGER,
    customer_gross INTEGER,
    customer_charged_ms INTEGER,
    customer_free_ms INTEGER,
    customer_allowance_id INTEGER,
    customer_step_ms INTEGER,
    customer_unit_price INTEGER,
    customer_tariff_id INTEGER,
    customer_rate_id INTEGER,
    supplier_account_id INTEGER,
    supplier_organization_id INTEGER,
    supplier_payee_id INTEGER,
    supplier_net INTEGER,
    supplier_vat_ppm INTEGER,
    supplier_gross INTEGER,
    supplier_charged_ms INTEGER,
    supplier_free_ms INTEGER,
    supplier_allowance_id INTEGER,
    supplier_step_ms INTEGER,
    supplier_unit_price INTEGER,
    supplier_tariff_id INTEGER,
    supplier_rate_id INTEGER,
    hops_dropped INTEGER NOT NULL,
    facts_dropped INTEGER NOT NULL,
    sip INTEGER NOT NULL,
    part INTEGER NOT NULL,
    party INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    q850 INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    caller_payload_type INTEGER,
    called_payload_type INTEGER,
    customer_prepaid INTEGER,
    customer_minor_digits INTEGER,
    customer_price_minor_digits INTEGER,
    supplier_prepaid INTEGER,
    supplier_minor_digits INTEGER,
    supplier_price_minor_digits INTEGER,
    caller_number TEXT NOT NULL,
    from_user TEXT NOT NULL,
    display TEXT NOT NULL,
    source TEXT,
    sip_call_id TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    received TEXT NOT NULL,
    normalised TEXT,
    dialled TEXT NOT NULL,
    destination TEXT,
    called_remote TEXT,
    caller_codec TEXT,
    caller_media_remote TEXT,
    called_codec TEXT,
    called_media_remote TEXT,
    customer_currency TEXT,
    customer_price_currency TEXT,
    supplier_currency TEXT,
    supplier_price_currency TEXT,
    PRIMARY KEY (ended_us, id, part)
) STRICT, WITHOUT ROWID;
INSERT INTO cdrs_wide (
    id, tenant_id, batch, ask, snapshot, started_us, rang_us, answered_us, ended_us, setup_ms,
    talk_ms, billable_ms, caller_ms, called_ms, caller_account_id, caller_organization_id,
    caller_subscriber_id, caller_trunk_id, called_subscriber_id, called_trunk_id,
    caller_received, caller_received_octets, caller_sent, caller_sent_octets, caller_lost,
    caller_jitter_us, caller_jitter_us_max, caller_dropped, called_received,
    called_received_octets, called_sent, called_sent_octets, called_lost, called_jitter_us,
    called_jitter_us_max, called_dropped, customer_account_id, customer_organization_id,
    customer_payee_id, customer_net, customer_vat_ppm, customer_gross, customer_charged_ms,
    customer_free_ms, customer_allowance_id, customer_step_ms, customer_unit_price,
    customer_tariff_id, customer_rate_id, supplier_account_id, supplier_organization_id,
    supplier_payee_id, supplier_net, supplier_vat_ppm, supplier_gross, supplier_charged_ms,
    supplier_free_ms, supplier_allowance_id, supplier_step_ms, supplier_unit_price,
    supplier_tariff_id, supplier_rate_id, hops_dropped, facts_dropped, sip, part, party, reason,
    q850, unpriced, caller_payload_type, called_payload_type, customer_prepaid,
    customer_minor_digits, customer_price_minor_digits, supplier_prepaid, supplier_minor_digits,
    supplier_price_minor_digits, caller_number, from_user, display, source, sip_call_id,
    user_agent, received, normalised, dialled, destination, called_remote, caller_codec,
    caller_media_remote, called_codec, called_media_remote, customer_currency,
    customer_price_currency, supplier_currency, supplier_price_currency
)
SELECT
    d.id, d.tenant_id, d.batch, d.ask, d.snapshot, d.started_us, d.rang_us, d.answered_us,
    d.ended_us, d.setup_ms, d.talk_ms, d.billable_ms, d.caller_ms, d.called_ms,
    d.caller_account_id, d.caller_organization_id, d.caller_subscriber_id, d.caller_trunk_id,
    d.called_subscriber_id, d.called_trunk_id, d.caller_received, d.caller_received_octets,
    d.caller_sent, d.caller_sent_octets, d.caller_lost, d.caller_jitter_us,
    d.caller_jitter_us_max, d.caller_dropped, d.called_received, d.called_received_octets,
    d.called_sent, d.called_sent_octets, d.called_lost, d.called_jitter_us,
    d.called_jitter_us_max, d.called_dropped, c.account_id, c.organization_id, c.payee_id, c.net,
    c.vat_ppm, c.gross, c.charged_ms, c.free_ms, c.allowance_id, c.step_ms, c.unit_price,
    c.tariff_id, c.rate_id, s.account_id, s.organization_id, s.payee_id, s.net, s.vat_ppm,
    s.gross, s.charged_ms, s.free_ms, s.allowance_id, s.step_ms, s.unit_price, s.tariff_id,
    s.rate_id, d.hops_dropped, d.facts_dropped, d.sip, d.part, d.party, d.reason, d.q850,
    d.unpriced, d.caller_payload_type, d.called_payload_type, c.prepaid, c.minor_digits,
    CASE WHEN c.price_currency = c.currency AND c.price_minor_digits = c.minor_digits
    THEN NULL ELSE c.price_minor_digits END, s.prepaid,
    s.minor_digits,
    CASE WHEN s.price_currency = s.currency AND s.price_minor_digits = s.minor_digits
    THEN NULL ELSE s.price_minor_digits END,
    d.caller_number, d.from_user, d.display, d.source, d.sip_call_id, d.user_agent, d.received,
    d.normalised, d.dialled, d.destination, d.called_remote, d.caller_codec,
    d.caller_media_remote, d.called_codec, d.called_media_remote, c.currency,
    CASE WHEN c.price_currency = c.currency AND c.price_minor_digits = c.minor_digits
    THEN NULL ELSE c.price_currency END, s.currency,
    CASE WHEN s.price_currency = s.currency AND s.price_minor_digits = s.minor_digits
    THEN NULL ELSE s.price_currency END
FROM cdrs d
LEFT JOIN cdr_charges c ON c.cdr_id = d.id AND c.part = d.part AND c.kind = 'customer'
LEFT JOIN cdr_charges s ON s.cdr_id = d.id AND s.part = d.part AND s.kind = 'supplier';

-- What the resellers above the caller's account pay, bottom up.
CREATE TABLE cdr_levels (
    cdr_id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    position INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    organization_id INTEGER NOT NULL,
    payee_id INTEGER,
    net INTEGER NOT NULL,
    vat_ppm INTEGER NOT NULL,
    gross INTEGER NOT NULL,
    charged_ms INTEGER NOT NULL,
    free_ms INTEGER NOT NULL,
    allowance_id INTEGER,
    step_ms INTEGER NOT NULL,
    unit_price INTEGER NOT NULL,
    tariff_id INTEGER,
    rate_id INTEGER,
    prepaid INTEGER NOT NULL,
    minor_digits INTEGER NOT NULL,
    price_minor_digits INTEGER,
    currency TEXT NOT NULL,
    price_currency TEXT,
    PRIMARY KEY (cdr_id, part, position)
) STRICT, WITHOUT ROWID;
INSERT INTO cdr_levels (
    cdr_id, part, position, account_id, organization_id, payee_id, net, vat_ppm, gross,
    charged_ms, free_ms, allowance_id, step_ms, unit_price, tariff_id, rate_id, prepaid,
    minor_digits, price_minor_digits, currency, price_currency
)
SELECT
    c.cdr_id, c.part, c.position, c.account_id, c.organization_id, c.payee_id, c.net, c.vat_ppm,
    c.gross, c.charged_ms, c.free_ms, c.allowance_id, c.step_ms, c.unit_price, c.tariff_id,
    c.rate_id, c.prepaid, c.minor_digits,
    CASE WHEN c.price_currency = c.currency AND c.price_minor_digits = c.minor_digits
    THEN NULL ELSE c.price_minor_digits END, c.currency,
    CASE WHEN c.price_currency = c.currency AND c.price_minor_digits = c.minor_digits
    THEN NULL ELSE c.price_currency END
FROM cdr_charges c WHERE c.kind = 'reseller';

DROP TABLE cdr_charges;
DROP TABLE cdrs;
ALTER TABLE cdrs_wide RENAME TO cdrs;
CREATE INDEX cdrs_tenant_ended ON cdrs (tenant_id, ended_us);
CREATE INDEX cdrs_account_ended ON cdrs (caller_account_id, ended_us);
CREATE INDEX cdrs_id ON cdrs (id);
CREATE INDEX cdrs_batch ON cdrs (batch);

-- What people and their programs read by SQL: times as times, money as decimals, words for codes.
-- These views are the contract; the tables change with the releases.
CREATE VIEW v_cdrs AS
SELECT
    id, part, tenant_id, batch,
    strftime('%Y-%m-%dT%H:%M:%S', started_us / 1000000, 'unixepoch')
        || printf('.%06dZ', started_us % 1000000) AS started,
    strftime('%Y-%m-%dT%H:%M:%S', rang_us / 1000000, 'unixepoch')
        || printf('.%06dZ', rang_us % 1000000) AS rang,
    strftime('%Y-%m-%dT%H:%M:%S', answered_us / 1000000, 'unixepoch')
        || printf('.%06dZ', answered_us % 1000000) AS answered,
    strftime('%Y-%m-%dT%H:%M:%S', ended_us / 1000000, 'unixepoch')
        || printf('.%06dZ', ended_us % 1000000) AS ended,
    setup_ms, talk_ms, billable_ms, caller_account_id, caller_organization_id,
    caller_subscriber_id, caller_trunk_id, caller_number, from_user, display, source,
    sip_call_id, user_agent, received, normalised, dialled, destination, called_subscriber_id,
    called_trunk_id, called_remote,
    CASE party
        WHEN 0 THEN 'unknown' WHEN 1 THEN 'called' WHEN 2 THEN 'caller' WHEN 3 THEN 'switch'
    END AS party,
    CASE reason
        WHEN 0 THEN 'normal' WHEN 1 THEN 'cancelled' WHEN 2 THEN 'busy' WHEN 3 THEN 'no-answer'
        WHEN 4 THEN 'rejected' WHEN 5 THEN 'unknown-number' WHEN 6 THEN 'offline'
        WHEN 7 THEN 'auth-failed' WHEN 8 THEN 'denied' WHEN 9 THEN 'no-route'
        WHEN 10 THEN 'no-price' WHEN 11 THEN 'no-credit' WHEN 12 THEN 'credit-ended'
        WHEN 13 THEN 'limit' WHEN 14 THEN 'max-duration' WHEN 15 THEN 'no-media'
        WHEN 16 THEN 'peer-silent' WHEN 17 THEN 'peer-error'
        WHEN 18 THEN 'no-answer-from-control' WHEN 19 THEN 'overload' WHEN 20 THEN 'operator'
        WHEN 21 THEN 'process-lost' WHEN 22 THEN 'host-lost' WHEN 23 THEN 'bad-request'
        WHEN 24 THEN 'bad-media' WHEN 25 THEN 'exhausted' WHEN 26 THEN 'internal'
    END AS reason,
    sip, q850, customer_account_id, customer_currency,
    CASE WHEN customer_net IS NOT NULL THEN
        printf('%s%d.%0*d', CASE WHEN customer_net < 0 THEN '-' ELSE '' END,
        abs(customer_net) / customer_unit, customer_digits,
        abs(customer_net) % customer_unit) END AS customer_net,
    CASE WHEN customer_gross IS NOT NULL THEN
        printf('%s%d.%0*d', CASE WHEN customer_gross < 0 THEN '-' ELSE '' END,
        abs(customer_gross) / customer_unit, customer_digits,
        abs(customer_gross) % customer_unit) END AS customer_gross,
    customer_charged_ms, customer_tariff_id, customer_rate_id, supplier_account_id,
    supplier_currency,
    CASE WHEN supplier_net IS NOT NULL THEN
        printf('%s%d.%0*d', CASE WHEN supplier_net < 0 THEN '-' ELSE '' END,
        abs(supplier_net) / supplier_unit, supplier_digits,
        abs(supplier_net) % supplier_unit) END AS supplier_net,
    CASE WHEN supplier_gross IS NOT NULL THEN
        printf('%s%d.%0*d', CASE WHEN supplier_gross < 0 THEN '-' ELSE '' END,
        abs(supplier_gross) / supplier_unit, supplier_digits,
        abs(supplier_gross) % supplier_unit) END AS supplier_gross,
    supplier_charged_ms, supplier_tariff_id, supplier_rate_id, caller_codec, caller_received,
    caller_sent, caller_lost, caller_jitter_us, called_codec, called_received, called_sent,
    called_lost, called_jitter_us
FROM (
    SELECT cdrs.*,
        6 + customer_minor_digits AS customer_digits,
        CAST(substr('10000000000', 1, 7 + customer_minor_digits) AS INTEGER) AS customer_unit,
        6 + supplier_minor_digits AS supplier_digits,
        CAST(substr('10000000000', 1, 7 + supplier_minor_digits) AS INTEGER) AS supplier_unit
    FROM cdrs
) d;

-- Who pays what for each record: the customer, resellers above it bottom up, the supplier last.
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
            cdr_id, part, position, 'reseller', account_id, organization_id, payee_id, prepaid,
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
