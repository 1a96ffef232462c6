-- The view of records has a word for a party that showed another certificate than it named.
DROP VIEW v_cdrs;

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
        WHEN 27 THEN 'redirected'
        WHEN 28 THEN 'false-answer' WHEN 29 THEN 'impostor'
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
