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
    PRIMARY KEY (id, part)
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
CREATE INDEX cdrs_ended ON cdrs (ended_us, id);
CREATE INDEX cdrs_tenant_ended ON cdrs (tenant_id, ended_us, id);
CREATE INDEX cdrs_account_ended ON cdrs (caller_account_id, ended_us, id);
CREATE INDEX cdrs_batch ON cdrs (batch);
