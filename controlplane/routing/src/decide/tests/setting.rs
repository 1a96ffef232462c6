//! Every setting that decisions read, by name: what is seen without it, and with it at each place
//! where it may be set.

use super::order::{
    one_loss, seven_is_middling, six_fails, six_is_good, six_talked, six_talked_shortly,
    two_prices, well,
};
use super::*;
use crate::edge::{EdgeSettings, edge};
use crate::fact::{Finding, Lack};
use crate::register::register;
use crate::world::Holder;
use std::collections::BTreeSet;
use strowger_billing::Level;
use strowger_link::ContactAsk;
use strowger_model::{
    Depth, FOREVER_MS, Forward, ForwardWhen, Holiday, HolidayId, OrganizationId, Rate, RingGroup,
    RingGroupId, RingMember, RingMode, RingParty, RouteOrder, SETTINGS, Setting, SettingId,
    SettingReader, SettingRow, TrunkCredentials, day_of,
};

/// A setting, a value, the account or subscriber of the narrowest place, what is looked at, and
/// what is seen before and after.
type Case = (&'static str, &'static str, i64, fn(Rows) -> String, &'static str, &'static str);

const OUTSIDE: &str = "1001 dials 4420";

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("call.talk_ms_min", "5000", 1, |r| admit(r).ms_min.to_string(), "1000", "5000"),
    ("call.talk_ms_max", "60000", 1, |r| go(r, OUTSIDE).max_ms.to_string(), "7200000", "60000"),
    ("call.ring_ms", "15000", 1, |r| ring_ms(r, "1001 dials 1003"), "60000", "15000"),
    ("call.forwards_max", "0", 1, |r| say(forwarding(r, "1003"), "1001 dials 1002"),
        "ring 10.0.0.3:5060; account 1 pays 0", "ring 10.0.0.2:5060; account 1 pays 0"),
    ("call.redirect", "pass", 4, redirects, "Ask", "Pass"),
    ("call.hops_max", "1", 1, |r| go(two_carriers(r), "1001 dials 447").stages.len().to_string(),
        "3", "1"),
    ("call.retry_after_ms", "7000", 1, retry_after, "0", "7"),
    ("call.trunk_programs", "Acme SBC, x", 1, |r| say(r, "trunk 8 dials 442071002"),
        "ring 10.0.0.2:5060; account 1 pays 0.01", "403 Denied cause 21, no record"),
    ("call.local_numbers", "false", 1, |r| say(r, "1001 dials 442071002"),
        "ring 10.0.0.2:5060; account 1 pays 0",
        "442071002 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01"),
    ("call.send_back", "true", 1, |r| say(to_the_sender(r), "trunk 8 dials 4420"),
        "404 NoRoute cause 3", "4420 to trunk 8 at 192.0.2.8:5060; account 1 pays 0.01"),
    ("call.self_call", "true", 1, |r| say(r, "1001 dials 1001"),
        "403 Denied cause 21", "ring 10.0.0.1:5060; account 1 pays 0"),
    ("call.self_forward", "442071002", 1, |r| say(r, "1001 dials 1001"),
        "403 Denied cause 21", "ring 10.0.0.2:5060; account 1 pays 0"),
    ("call.price_max", "0.009", 1, |r| say(r, OUTSIDE),
        "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01", "403 Denied cause 21"),
    ("call.kinds_denied", "ordinary,premium", 1, |r| say(r, OUTSIDE),
        "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01", "403 Denied cause 21"),
    ("call.unregistered", "false", 4, |r| say(r, "1004 dials 1002"),
        "ring 10.0.0.2:5060; account 2 pays 0", "403 Denied cause 21"),
    ("call.callers_default_deny", "true", 1, |r| say(r, "1001 dials 1002"),
        "ring 10.0.0.2:5060; account 1 pays 0", "403 Denied cause 21"),
    ("call.reasons", "false", 1, |r| go(r, OUTSIDE).manner.explain.to_string(), "true", "false"),
    ("call.operation", "redirect", 1, |r| say(r, OUTSIDE),
        "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01", "302 Redirected cause 23"),
    ("call.group", "7", 1, |r| say(in_no_group(r), "1001 dials 1002"),
        "ring 10.0.0.2:5060; account 1 pays 0", "403 Denied cause 21"),
    ("call.unknown_to", "442071002", 1, |r| say(r, "1001 dials 33123"),
        "404 UnknownNumber cause 1", "ring 10.0.0.2:5060; account 1 pays 0"),
    ("call.offline_outside", "true", 4, |r| say(with_numbers(r), "1001 dials 442071004"),
        "480 Offline cause 20", "442071004 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01"),
    ("call.foreign", "redirect", 1, elsewhere,
        "ring 10.0.0.2:5060; account 1 pays 0", "302 Redirected cause 23"),
    ("call.foreign_trunk", "6", 1,
        |r| elsewhere(with_setting(r, "call.foreign", "always", Depth::System, 0)),
        "404 NoRoute cause 3", "Place(other.example)"),
    ("call.pickup", "never", 1, picks, "go", "no"),
    ("call.called_shown", "best", 4, |r| shown_called(r), " / ",
        "sip:442071009@10.0.0.4:5060 / sip:442071004@10.0.0.4:5060"),
    ("failover.mode", "silence", 1, |r| format!("{:?}", branch(r, OUTSIDE).continue_on),
        "[]", "[504]"),
    ("failover.continue_on", "486,600", 1, |r| format!("{:?}", branch(r, OUTSIDE).continue_on),
        "[]", "[486, 600]"),
    ("failover.stop_on", "503", 1, |r| format!("{:?}", branch(r, OUTSIDE).stop_on), "[]", "[503]"),
    ("failover.answered", "any", 1, |r| format!("{:?}", go(r, OUTSIDE).reroute), "None",
        "Some(Reroute { talk_ms_max: 20000, any: true })"),
    ("failover.answered_ms", "5000", 1,
        |r| format!("{:?}", go(left_by_faults(r), OUTSIDE).reroute),
        "Some(Reroute { talk_ms_max: 20000, any: false })",
        "Some(Reroute { talk_ms_max: 5000, any: false })"),
    ("failover.first_ms", "3000", 1, |r| branch(patient(r), OUTSIDE).first_ms.to_string(),
        "0", "3000"),
    ("route.order", "price", 1, |r| first(two_prices(r, None), well()), "6", "7"),
    ("route.price_ms", "1000", 1,
        |r| first(two_prices(r, Some(RouteOrder::Price)), well()), "7", "6"),
    ("route.quality_percent", "0", 1,
        |r| first(two_prices(r, Some(RouteOrder::Quality)), six_is_good()), "6", "7"),
    ("route.accuracy_percent", "1", 1,
        |r| first(two_prices(r, Some(RouteOrder::Quality)), six_is_good()), "6", "7"),
    ("route.quality_asr_percent_min", "50", 1, ranks, "16 9", "16 4"),
    ("route.quality_asr_percent_max", "50", 1, ranks, "16 9", "16 12"),
    ("route.quality_acd_ms_min", "100000", 1, ranks, "16 9", "16 6"),
    ("route.quality_acd_ms_max", "100000", 1, ranks, "16 9", "16 15"),
    ("route.quality_price_min", "0.02", 1, ranks, "16 9", "16 13"),
    ("route.quality_price_max", "0.09", 1, ranks, "16 9", "27 19"),
    ("route.loss", "true", 1, |r| say(one_loss(r), "1001 dials 447"),
        "404 NoRoute cause 3", "447 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05"),
    ("route.profit_percent_min", "45", 1, |r| first(two_prices(r, None), well()), "6", "7"),
    ("route.reserved", "true", 1, lines, "26", "30"),
    ("route.test_calls", "true", 1, |r| say(with_test_prefix(r), "1001 dials *7447"),
        "404 UnknownNumber cause 1", "447 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05"),
    ("route.failover", "false", 1, |r| first(two_prices(r, None), six_fails()), "7", "6"),
    ("route.second_try_ms", "25000", 1, |r| first(two_prices(r, None), six_talked_shortly()),
        "6", "7"),
    ("route.rest_ms", "10000", 1, |r| first(two_prices(r, None), six_talked()), "6", "7"),
    ("limit.calls_max", "7", 1, limits, "", "Switch 7 0"),
    ("limit.cps_max", "6", 1, limits, "", "Switch 0 6"),
    ("limit.calls_warn", "5", 1, limits, "", "Switch 0 0 warn 5"),
    ("limit.tenant_calls_warn", "4", 1, limits, "", "Tenant(TenantId(1)) 0 0 warn 4"),
    ("limit.balance_min", "0.01", 1, |r| format!("{:?}", admit(r).money_min), "None",
        "Some(Amount(1000000))"),
    ("limit.address_calls_max", "3", 1, caps, "None", "3 0 None 86400000"),
    ("limit.address_talk_ms_max", "120000", 1, caps, "None", "0 120000 None 86400000"),
    ("limit.address_spend_max", "0.01", 1, caps, "None", "0 0 Some(1000000) 86400000"),
    ("limit.address_window_ms", "3600000", 1, |r| caps(with_setting(r, "limit.address_calls_max",
        "3", Depth::System, 0)), "3 0 None 86400000", "3 0 None 3600000"),
    ("limit.tenant_calls_max", "9", 1, limits, "", "Tenant(TenantId(1)) 9 0"),
    ("limit.tenant_cps_max", "8", 1, limits, "", "Tenant(TenantId(1)) 0 8"),
    ("limit.subscriber_calls_max", "2", 1, limits, "", "Subscriber(SubscriberId(1)) 2 0"),
    ("media.path", "direct", 1,
        |r| format!("{:?}", branch(past_us(r), OUTSIDE).media.mode), "Relay", "Direct"),
    ("media.codecs", "G729,PCMA", 1, |r| format!("{:?}", go(r, OUTSIDE).media.voices.order),
        "[0, 0, 0, 0, 0, 0, 0, 0]", "[4, 2, 0, 0, 0, 0, 0, 0]"),
    ("media.one_codec", "true", 1, |r| go(r, OUTSIDE).media.voices.single.to_string(),
        "false", "true"),
    ("media.g711", "spare", 1, |r| format!("{:?}", go(r, OUTSIDE).media.voices.plain),
        "Kept", "Spare"),
    ("media.srtp", "require", 1, |r| format!("{:?}", go(r, OUTSIDE).media.srtp),
        "Accept", "Require"),
    ("media.nat", "always", 1, |r| go(r, OUTSIDE).media.nated.to_string(), "false", "true"),
    ("media.first_packet", "true", 1, |r| go(r, OUTSIDE).media.first_packet.to_string(),
        "false", "true"),
    ("media.start_timeout_ms", "5000", 1,
        |r| go(r, OUTSIDE).media.start_timeout_ms.to_string(), "30000", "5000"),
    ("media.timeout_ms", "0", 1, |r| branch(r, OUTSIDE).media.timeout_ms.to_string(),
        "20000", "0"),
    ("session.timer", "force", 1, timer, "Answer", "Force(1800)"),
    ("session.expires_ms", "600000", 1, |r| timer(asking(r)), "Ask(1800)", "Ask(600)"),
    ("session.expires_ms_min", "300000", 1, |r| format!("{:?}", sessions(r)),
        "(90, 86400)", "(300, 86400)"),
    ("session.expires_ms_max", "3600000", 1, |r| format!("{:?}", sessions(r)),
        "(90, 86400)", "(90, 3600)"),
    ("session.reliable", "require", 1, |r| format!("{:?}", go(r, OUTSIDE).manner.reliable),
        "Media", "Require"),
    ("identity.cli", "hide", 1, |r| branch(r, OUTSIDE).from_user, "442071001", "anonymous"),
    ("identity.number", "4499", 1, |r| branch(r, OUTSIDE).from_user, "442071001", "4499"),
    ("identity.drawn", "true", 1, |r| drawn(r), "442071001", "33123"),
    ("identity.display", "false", 1, |r| branch(r, OUTSIDE).display, "Phone 1001", ""),
    ("identity.by_number", "true", 4, |r| say(with_numbers(r), "trunk 8 dials 1002"),
        "ring 10.0.0.2:5060; account 1 pays 1", "ring 10.0.0.2:5060; account 2 pays 0"),
    ("identity.diversion", "false", 1, diversions, "Diversion", ""),
    ("identity.forwarder", "true", 1, forwarder, "442071002", "442071001"),
    ("number.country", "44", 1, |r| say(r, "1001 dials 2079460018"),
        "404 UnknownNumber cause 1",
        "442079460018 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01"),
    ("number.national_prefix", "0", 1, |r| say(at_home(r), "1001 dials 2079460018"),
        "442079460018 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01",
        "404 UnknownNumber cause 1"),
    ("number.national_digits_min", "11", 1, |r| say(at_home(r), "1001 dials 2079460018"),
        "442079460018 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01",
        "404 UnknownNumber cause 1"),
    ("registration.expires_ms_min", "300000", 1, |r| registers(r, "1001", &[60]), "60", "423"),
    ("registration.expires_ms_max", "120000", 1, |r| registers(r, "1001", &[600]), "600", "120"),
    ("registration.contacts_max", "1", 1, |r| registers(r, "1001", &[60, 60]), "60 60", "403"),
    ("registration.trunk_expires_ms_min", "300000", 1, |r| registers(r, "peer", &[60]),
        "60", "423"),
    ("registration.trunk_expires_ms_max", "120000", 1, |r| registers(r, "peer", &[600]),
        "600", "120"),
    ("registration.trunk_contacts_max", "1", 1, |r| registers(r, "peer", &[60, 60]),
        "60 60", "403"),
    ("registration.contacts_full", "refuse", 1, crowded, "60 60", "403"),
    ("registration.spread_percent", "0", 1, |r| registers(r, "1001", &[1800]), "1743", "1800"),
    ("registration.fork", "by-q", 1, forks, "1 stage", "2 stages"),
    ("registration.path", "refuse", 1, by_path, "60", "420"),
    ("registration.service_route", "true", 1, |r| headers(r, "Service-Route"),
        "", "<sip:192.0.2.1:5060;lr>"),
    ("registration.gruu", "false", 1, gruus, "pub temp", ""),
    ("registration.flow_timer_ms", "120000", 1, |r| headers(r, "Flow-Timer"), "", "120"),
    ("nat.send_to", "contact", 1, nated_address,
        "203.0.113.5:4001", "10.0.0.9:5060"),
    ("nat.standard_port", "true", 1, elsewhere_at, "none", "5060"),
    ("nat.keep_alive", "options", 1, keeps, "Crlf 25000", "Options 25000"),
    ("nat.keep_alive_ms", "60000", 1, keeps, "Crlf 25000", "Crlf 60000"),
    ("digest.nonce_ms", "60000", 1, nonce_s, "300", "60"),
    ("digest.strong", "true", 1, |r| say(r, "1001 dials 1002"),
        "ring 10.0.0.2:5060; account 1 pays 0", "challenge demo.example [Sha256]"),
    ("digest.qop", "true", 1, without_qop,
        "ring 10.0.0.2:5060; account 1 pays 0", "challenge demo.example [Sha256, Md5]"),
    ("ring_group.member_ms", "9000", 1, |r| ring_ms(with_group(r), "1001 dials sales"),
        "22000", "9000"),
    ("price.customer_default", "0.5", 2, |r| say(r, "1004 dials 4420"),
        "403 NoPrice cause 21", "4420 to trunk 7 at 192.0.2.7:5060; account 2 pays 0.5"),
    ("price.supplier_default", "0.005", 9, supplier_price, "404 NoRoute cause 3", "0.005"),
    ("price.short_digits", "4", 1, |r| say(internal(r), OUTSIDE),
        "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01",
        "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.02"),
    ("price.free_digits", "4", 1, |r| say(internal(r), OUTSIDE),
        "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01",
        "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0"),
    ("price.vat_ppm", "70000", 1, tax, "0", "70000"),
    ("price.unpriced_trunks", "false", 1, |r| say(r, OUTSIDE),
        "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01", "404 NoRoute cause 3"),
    ("calendar.peak_from_ms", "3600000", 1, |r| timed(r, "night"), "0.5", "0.5 10000 0.01"),
    ("calendar.peak_until_ms", "84600000", 1, |r| timed(r, "peak"), "0.01", "0.5 4600 0.01"),
    ("calendar.evening_from_ms", "82800000", 1, |r| timed(r, "evening"), "0.01", "0.01 2800 0.5"),
    ("calendar.night_from_ms", "82800000", 1, |r| timed(r, "night"), "0.5", "0.01 2800 0.5"),
    ("calendar.weekend_is_peak", "true", 1, peak_of_a_holiday, "0.01", "0.5 4600 0.01"),
    ("calendar.holiday_is_weekend", "true", 1, |r| timed(with_holiday(r), "weekend"),
        "0.01", "0.5 6400 0.01"),
    ("calendar.class_rule", "middle", 1, class_rule, "Split", "Middle"),
    ("fact.portability", "true", 1, |r| asks(r, OUTSIDE), "nobody", "Ported(4420)"),
    ("fact.portability_prefix", "447", 1, |r| asks(with_dips(r), OUTSIDE),
        "Ported(4420)", "nobody"),
    ("fact.portability_unknown", "refuse", 1, |r| unanswered(with_dips(r), OUTSIDE),
        "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01", "480 NoRoute cause 41"),
    ("fact.enum_trunk", "6", 1, |r| asks(r, OUTSIDE), "nobody", "Reached(4420)"),
    ("fact.hook", "true", 1, |r| asks(r, OUTSIDE), "nobody", "Hook(4420)"),
    ("fact.hook_unknown", "refuse", 1, |r| unanswered(with_hook(r), OUTSIDE),
        "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01", "480 NoRoute cause 41"),
    ("fact.radius", "true", 1, |r| asks(r, OUTSIDE), "nobody", "Radius(4420)"),
    ("fact.radius_unknown", "continue", 1, |r| unanswered(with_radius(r), OUTSIDE),
        "480 NoRoute cause 41", "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01"),
];

fn with_setting(mut rows: Rows, path: &str, value: &str, depth: Depth, id: i64) -> Rows {
    let row = setting_row(path, value, depth, id);
    rows.settings.push(SettingRow { id: SettingId(900), ..row });
    rows
}

/// 1002 is of group 0, whatever others are of.
fn in_no_group(rows: Rows) -> Rows {
    with_setting(rows, "call.group", "0", Depth::Subscriber, 2)
}

/// Numbers are dialled as in Britain.
fn at_home(rows: Rows) -> Rows {
    with_setting(rows, "number.country", "44", Depth::System, 0)
}

/// 1004 has numbers, one of which trunk 8 shows, whose word on that is taken.
fn with_numbers(mut rows: Rows) -> Rows {
    rows.subscribers[3].numbers = vec![testing::digits("442071004"), testing::digits("33123")];
    rows.trunks[2].ingress.as_mut().unwrap().by_number = true;
    rows
}

/// What becomes of a call to 1002 of another domain.
fn elsewhere(rows: Rows) -> String {
    let mut switch = switch(rows);
    switch.known = Some(Vec::new());
    switch.prepare("1001 dials 1002");
    switch.call().request_uri = "sip:1002@other.example".to_owned();
    let decision = switch.again();
    if let Verdict::Need(Query::Place(wanted)) = &decision.verdict {
        return format!("Place({})", wanted.host);
    }
    words(&decision)
}

/// The operator's program is asked about every call.
pub(super) fn with_hook(mut rows: Rows) -> Rows {
    let row = setting_row("fact.hook", "true", Depth::System, 0);
    rows.settings.push(SettingRow { id: SettingId(2), ..row });
    rows
}

/// RADIUS is asked about every call.
pub(super) fn with_radius(mut rows: Rows) -> Rows {
    let row = setting_row("fact.radius", "true", Depth::System, 0);
    rows.settings.push(SettingRow { id: SettingId(3), ..row });
    rows
}

/// Numbers that leave us are asked about.
pub(super) fn with_dips(mut rows: Rows) -> Rows {
    let row = setting_row("fact.portability", "true", Depth::System, 0);
    rows.settings.push(SettingRow { id: SettingId(2), ..row });
    rows
}

/// What the outside is asked for a call.
pub(super) fn asks(rows: Rows, line: &str) -> String {
    let mut switch = switch(rows);
    switch.known = Some(Vec::new());
    match switch.decide(line).verdict {
        Verdict::Need(Query::Ported(number)) => format!("Ported({number})"),
        Verdict::Need(Query::Reached(number)) => format!("Reached({number})"),
        Verdict::Need(Query::Hook(call)) => format!("Hook({})", call.called),
        Verdict::Need(Query::Radius(call)) => format!("Radius({})", call.called),
        Verdict::Need(Query::Place(wanted)) => format!("Place({})", wanted.host),
        Verdict::Go(_)
        | Verdict::Refuse(_)
        | Verdict::Challenge(_)
        | Verdict::Registered(_)
        | Verdict::Respond(_) => "nobody".to_owned(),
    }
}

/// What becomes of a call about which nobody says anything.
fn unanswered(rows: Rows, line: &str) -> String {
    let mut switch = switch(rows);
    switch.known = Some(Vec::new());
    while let Verdict::Need(query) = switch.decide(line).verdict {
        let finding = Finding::Unknown(Lack::Late);
        switch.known.as_mut().unwrap().push(Fact { query, finding });
    }
    switch.say(line)
}

/// With a price of internal calls.
fn internal(mut rows: Rows) -> Rows {
    rows.tenants[0].internal_price = Price(20_000_000);
    rows
}

/// The tax that the caller's account pays, millionths.
fn tax(rows: Rows) -> String {
    let settlement = Settlement::decode(&go(rows, OUTSIDE).settlement.0).unwrap();
    settlement.levels[0].terms.vat_ppm.to_string()
}

/// The trunk that is called first, when trunks stand so.
fn first(rows: Rows, standing: Standing) -> String {
    let mut switch = switch(rows);
    switch.standing = Arc::new(standing);
    match switch.go("1001 dials 447").stages[0].branches[0].party {
        PartyRef::Trunk(id) => id.to_string(),
        PartyRef::Unknown | PartyRef::Subscriber(_) => String::new(),
    }
}

/// Price and quality together of trunks 6 and 7.
fn ranks(rows: Rows) -> String {
    let mut switch = switch(two_prices(rows, Some(RouteOrder::Quality)));
    (switch.standing, switch.explain) = (Arc::new(seven_is_middling()), true);
    let mut places = switch.decide("1001 dials 447").places;
    places.sort_by_key(|place| place.trunk);
    let ranks = places.iter().filter_map(|place| Some(place.rank?.to_string()));
    ranks.collect::<Vec<_>>().join(" ")
}

/// How many lines of trunk 7, which keeps four, a call may take.
fn lines(mut rows: Rows) -> String {
    rows.trunks[0].egress.as_mut().unwrap().calls_reserved = 4;
    branch(rows, OUTSIDE).gauges[0].in_use_max.to_string()
}

/// Trunk 7 is tried by `*7` in front of a number.
fn with_test_prefix(mut rows: Rows) -> Rows {
    rows.trunks[0].egress.as_mut().unwrap().test_prefix = Some(testing::digits("*7"));
    rows
}

/// Whether 1002 may take the place of 1001, who calls.
fn picks(rows: Rows) -> String {
    let decision = switch(rows).pick_up("1001 dials 4420", PartyRef::Unknown, "1002");
    if matches!(decision.verdict, Verdict::Go(_)) { "go" } else { "no" }.to_owned()
}

fn say(rows: Rows, line: &str) -> String {
    switch(rows).say(line)
}

fn switch(rows: Rows) -> Switch {
    let mut switch = Switch::new(rows);
    switch.register(3, "sip:1003@10.0.0.3:5060", "10.0.0.3:5060");
    switch
}

/// What carriers see of a subscriber with two numbers, in some of its calls.
fn drawn(mut rows: Rows) -> String {
    rows.subscribers[0].numbers.push(testing::digits("33123"));
    let mut switch = switch(rows);
    let shown: BTreeSet<String> = (0..16)
        .map(|call| {
            switch.prepare("1001 dials 4420");
            switch.ask.id = AskId(call);
            let Verdict::Go(plan) = switch.again().verdict else { panic!("no plan") };
            plan.go.stages[0].branches[0].from_user.clone()
        })
        .collect();
    shown.into_iter().next().unwrap_or_default()
}

/// What a phone with two numbers sees in To of a call to the second, and of one to its name.
fn shown_called(mut rows: Rows) -> String {
    rows.subscribers[3].numbers = ["442071004", "442071009"].map(testing::digits).to_vec();
    let mut switch = switch(rows);
    switch.register(4, "sip:1004@10.0.0.4:5060", "10.0.0.4:5060");
    let mut to = |line: &str| switch.go(line).stages[0].branches[0].to_uri.clone();
    [to("1001 dials 442071009"), to("1001 dials 1004")].join(" / ")
}

fn left_by_faults(rows: Rows) -> Rows {
    with_setting(rows, "failover.answered", "fault", Depth::System, 0)
}

fn go(rows: Rows, line: &str) -> Go {
    switch(rows).go(line)
}

fn branch(rows: Rows, line: &str) -> Branch {
    go(rows, line).stages[0].branches[0].clone()
}

fn ring_ms(rows: Rows, line: &str) -> String {
    branch(rows, line).ring_ms.to_string()
}

fn plan(rows: Rows) -> Plan {
    let Verdict::Go(plan) = switch(rows).decide(OUTSIDE).verdict else { panic!("no plan") };
    *plan
}

fn admit(rows: Rows) -> AdmitPlan {
    plan(rows).admit.unwrap()
}

fn limits(rows: Rows) -> String {
    let all = admit(rows).limits;
    let words = all.iter().map(|l| {
        let warn = if l.warn > 0 { format!(" warn {}", l.warn) } else { String::new() };
        format!("{:?} {} {}{warn}", l.of, l.calls_max, l.cps_max)
    });
    words.collect::<Vec<_>>().join(", ")
}

fn caps(rows: Rows) -> String {
    admit(rows).address.map_or("None".to_owned(), |caps| {
        let spend = caps.spend_max.map(|most| most.0);
        format!("{} {} {spend:?} {}", caps.calls_max, caps.talk_ms_max, caps.window_ms)
    })
}

fn retry_after(rows: Rows) -> String {
    let plan = plan(rows);
    let seconds = |refusal| {
        let AnswerBody::Refuse(refuse) = reject(&plan, refusal).body else { panic!("{refusal:?}") };
        refuse.retry_after_s
    };
    assert_eq!(seconds(Refusal::NoCredit), 0, "waiting brings no money");
    seconds(Refusal::Limit).to_string()
}

fn forwarding(mut rows: Rows, to: &str) -> Rows {
    let forward = Forward { when: ForwardWhen::Always, to: to.into(), after_s: 0, enabled: true };
    rows.subscribers[1].forwards.push(forward);
    rows
}

/// What a 3xx of 1004's phone means.
fn redirects(rows: Rows) -> String {
    let mut switch = switch(rows);
    switch.register(4, "sip:1004@10.0.0.4:5060", "10.0.0.4:5060");
    format!("{:?}", switch.go("1001 dials 1004").stages[0].branches[0].redirect)
}

fn two_carriers(mut rows: Rows) -> Rows {
    rows.routes[0] = testing::route(1, "44", &[(6, 1, 1), (7, 0, 1)]);
    rows
}

/// Trunk 8 takes calls where it sends them from, and numbers of 44 lead there.
fn to_the_sender(mut rows: Rows) -> Rows {
    rows.trunks[2].egress = testing::egress_trunk(8, &["192.0.2.8:5060"]).egress;
    rows.routes[0] = testing::route(1, "44", &[(8, 0, 1)]);
    rows
}

/// Trunk 7 names no time to a first answer.
fn patient(mut rows: Rows) -> Rows {
    rows.trunks[0].egress.as_mut().unwrap().first_timeout_s = 0;
    rows
}

fn diversions(rows: Rows) -> String {
    let branch = branch(forwarding(rows, "447700900123"), "1001 dials 1002");
    branch.headers.iter().map(|field| field.name.clone()).collect()
}

/// Who a carrier sees of a call of 1002 that 1001 forwards.
fn forwarder(mut rows: Rows) -> String {
    let to = "447700900123".into();
    let forward = Forward { when: ForwardWhen::Always, to, after_s: 0, enabled: true };
    rows.subscribers[0].forwards.push(forward);
    branch(rows, "1002 dials 1001").from_user
}

/// Media of trunk 7 may go past us.
fn past_us(mut rows: Rows) -> Rows {
    rows.trunks[0].egress.as_mut().unwrap().dialog.media = Some(strowger_model::MediaPath::Direct);
    rows
}

/// The caller's session timer.
fn timer(rows: Rows) -> String {
    format!("{:?}", go(rows, OUTSIDE).manner.timer)
}

/// Timers are asked for everywhere.
fn asking(mut rows: Rows) -> Rows {
    rows.settings.push(SettingRow {
        id: SettingId(900),
        category: "session".into(),
        name: "timer".into(),
        tenant: None,
        account: None,
        subscriber: None,
        value: "ask".into(),
    });
    rows
}

/// The shortest and the longest session of the caller.
fn sessions(rows: Rows) -> (u32, u32) {
    let manner = go(rows, OUTSIDE).manner;
    (manner.session_s_min, manner.session_s_max)
}

fn with_group(mut rows: Rows) -> Rows {
    rows.ring_groups.push(RingGroup {
        id: RingGroupId(5),
        tenant: TenantId(1),
        organization: OrganizationId(1),
        account: AccountId(1),
        name: "sales".into(),
        numbers: Vec::new(),
        short: None,
        mode: RingMode::Parallel,
        members: vec![RingMember { party: RingParty::Subscriber(SubscriberId(2)), ring_s: 0 }],
        overflow: None,
        enabled: true,
    });
    rows
}

fn without_qop(rows: Rows) -> String {
    let mut switch = switch(rows);
    switch.decide("1001 dials 1002");
    if let Some(credentials) = &mut switch.call().credentials {
        credentials.qop = None;
        let ha1 = crate::digest::ha1_md5("1001", testing::REALM, "demo1001");
        credentials.response = crate::digest::response_md5(credentials, &ha1);
    }
    words(&switch.again())
}

/// What trunk 6 is paid for a number of which its tariff knows nothing.
fn supplier_price(mut rows: Rows) -> String {
    rows.routes[0] = testing::route(1, "44", &[(6, 0, 1)]);
    let decision = switch(rows).decide(OUTSIDE);
    let Verdict::Go(plan) = &decision.verdict else { return words(&decision) };
    let settlement = Settlement::decode(&plan.go.settlement.0).unwrap();
    print_price(settlement.hops[0].terms.as_ref().unwrap().pricing.prices.at(0))
}

/// Prices over the time of a call at 22:13:20 on a Tuesday, with the seconds between them, when
/// the price for 4420 of a class is 0.5.
fn timed(mut rows: Rows, class: &str) -> String {
    let class = class.parse().unwrap();
    rows.rates.push(Rate { class, ..testing::rate(20, 1, "4420", "0.5") });
    let segments = level(rows).terms.pricing.prices.as_slice().to_vec();
    let words = segments.iter().map(|segment| match segment.until_ms {
        FOREVER_MS => print_price(segment.price),
        ms => format!("{} {}", print_price(segment.price), ms / 1_000),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What the caller of a call outside pays.
fn level(rows: Rows) -> Level {
    Settlement::decode(&go(rows, OUTSIDE).settlement.0).unwrap().levels[0]
}

fn class_rule(rows: Rows) -> String {
    format!("{:?}", level(rows).terms.class_rule)
}

fn with_holiday(mut rows: Rows) -> Rows {
    let day = day_of(2023, 11, 14).unwrap();
    rows.holidays.push(Holiday {
        id: HolidayId(1),
        tenant: TenantId(1),
        name: "today".into(),
        from_day: day,
        until_day: day,
        working: false,
        prefixes: Vec::new(),
    });
    rows
}

/// A holiday is a Sunday, and peak hours last to 23:30.
fn peak_of_a_holiday(rows: Rows) -> String {
    let mut rows = with_holiday(rows);
    let sets = [("calendar.holiday_is_weekend", "true"), ("calendar.peak_until_ms", "84600000")];
    for ((path, value), id) in sets.into_iter().zip(50..) {
        let row = setting_row(path, value, Depth::System, 0);
        rows.settings.push(SettingRow { id: SettingId(id), ..row });
    }
    timed(rows, "peak")
}

fn nonce_s(rows: Rows) -> String {
    let settings =
        EdgeSettings { version: 1, tenant: TenantId(1), nonce_key: [7; 16], denied: Vec::new() };
    let (edge, _) = edge(&World::build(rows).unwrap(), &settings).unwrap();
    edge.nonce_valid_s.to_string()
}

/// What somebody's REGISTER with contacts of these lifetimes is answered: those granted, or a
/// status. `peer` is trunk 8.
fn registers(rows: Rows, username: &str, lifetimes_s: &[u32]) -> String {
    granted(&registered(rows, username, lifetimes_s, |_| {}))
}

fn granted(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Registered(bound) => {
            let granted = bound.contacts.iter().map(|c| c.expires_s.to_string());
            granted.collect::<Vec<_>>().join(" ")
        }
        Verdict::Respond(respond) => respond.status.to_string(),
        Verdict::Refuse(refuse) => refuse.cause.sip.to_string(),
        other @ (Verdict::Go(_) | Verdict::Challenge(_) | Verdict::Need(_)) => {
            panic!("{other:?}")
        }
    }
}

fn registered(
    mut rows: Rows,
    username: &str,
    lifetimes_s: &[u32],
    change: impl Fn(&mut RegisterAsk),
) -> Verdict {
    let ha1_md5 = Some(crate::digest::ha1_md5("peer", testing::REALM, "demopeer"));
    rows.trunks[2].ingress.as_mut().unwrap().credentials = Some(TrunkCredentials {
        username: "peer".into(),
        ha1_md5,
        ha1_sha256: None,
        digest: strowger_model::DigestPolicy::Md5Only,
    });
    let (world, request) = (World::build(rows).unwrap(), registration(username, lifetimes_s));
    register_at(&world, &mut Locations::default(), request, change)
}

fn registration(username: &str, lifetimes_s: &[u32]) -> RegisterAsk {
    let contact = |(n, expires_s): (usize, &u32)| ContactAsk {
        uri: format!("sip:{username}@10.0.0.{}", n + 20),
        expires_s: *expires_s,
        q: 1000,
        params: ";+sip.instance=\"<urn:x:1>\";reg-id=1".into(),
    };
    let mut contacts: Vec<ContactAsk> = lifetimes_s.iter().enumerate().map(contact).collect();
    // Several of one device would be one.
    contacts.iter_mut().skip(1).for_each(|contact| contact.params.clear());
    RegisterAsk {
        user: username.into(),
        host: testing::REALM.into(),
        credentials: testing::credentials(username, "REGISTER", &format!("demo{username}")),
        contacts,
        sip_call_id: "c".into(),
        cseq: 1,
        user_agent: String::new(),
        path: Vec::new(),
        flow: 0,
        supported: vec!["gruu".into()],
        direct: true,
        nated: false,
    }
}

fn register_at(
    world: &World,
    locations: &mut Locations,
    mut request: RegisterAsk,
    change: impl Fn(&mut RegisterAsk),
) -> Verdict {
    change(&mut request);
    let ask = Ask { body: AskBody::Register(Box::new(request)), ..ask("1001", "") };
    register(world, locations, &ask, Tick(0), WALL).verdict
}

/// A third contact where two are allowed.
fn crowded(mut rows: Rows) -> String {
    rows.subscribers[0].contacts_max = 2;
    let (world, mut locations) = (World::build(rows).unwrap(), Locations::default());
    register_at(&world, &mut locations, registration("1001", &[60, 60]), |_| {});
    let third = register_at(&world, &mut locations, registration("1001", &[60]), |request| {
        request.contacts[0].uri = "sip:1001@10.0.0.30".into();
        request.contacts[0].params.clear();
        request.sip_call_id = "d".into();
        request.credentials.nonce = "another".into();
        let ha1 = crate::digest::ha1_md5("1001", testing::REALM, "demo1001");
        request.credentials.response = crate::digest::response_md5(&request.credentials, &ha1);
    });
    granted(&third)
}

fn forks(rows: Rows) -> String {
    let mut switch = switch(rows);
    switch.bind(2, "sip:1002@10.0.0.22", "10.0.0.22:5060", |ask| ask.contacts[0].q = 500);
    let count = switch.go("1001 dials 1002").stages.len();
    format!("{count} stage{}", if count == 1 { "" } else { "s" })
}

fn by_path(rows: Rows) -> String {
    granted(&registered(rows, "1001", &[60], |request| {
        (request.direct, request.path) = (false, vec!["<sip:10.0.0.9;lr>".into()]);
    }))
}

/// The value of a field of the answer.
fn headers(rows: Rows, name: &str) -> String {
    let Verdict::Registered(bound) = registered(rows, "1001", &[60], |_| {}) else {
        panic!("not registered")
    };
    let field = bound.headers.into_iter().find(|field| field.name == name);
    field.map(|field| String::from_utf8(field.value.0).unwrap()).unwrap_or_default()
}

fn gruus(rows: Rows) -> String {
    let Verdict::Registered(bound) = registered(rows, "1001", &[60], |_| {}) else {
        panic!("not registered")
    };
    let params = &bound.contacts[0].params;
    let seen = ["pub", "temp"].into_iter().filter(|kind| params.contains(&format!(";{kind}-gruu")));
    seen.collect::<Vec<_>>().join(" ")
}

/// Where a contact of 1001 behind a NAT is called.
fn nated_address(rows: Rows) -> String {
    let mut switch = switch(rows);
    switch.register(1, "sip:1001@10.0.0.9:5060", "203.0.113.5:4001");
    let stages = switch.go("1003 dials 1001").stages;
    let branch = stages[0].branches.iter().find(|branch| branch.target.uri.contains("10.0.0.9"));
    branch.unwrap().target.address.to_string()
}

/// The port at which 1001 is tried in the end, which registers from another; `none` = no other.
fn elsewhere_at(rows: Rows) -> String {
    let mut switch = switch(rows);
    switch.register(1, "sip:1001@203.0.113.5:4001", "203.0.113.5:4001");
    let stages = switch.go("1002 dials 1001").stages;
    let branches = stages.iter().flat_map(|stage| &stage.branches);
    let ports: Vec<u16> = branches
        .filter(|branch| branch.target.uri.contains("203.0.113.5"))
        .map(|branch| branch.target.address.port())
        .collect();
    match ports[..] {
        [4001] => "none".to_owned(),
        [4001, other] => other.to_string(),
        _ => format!("{ports:?}"),
    }
}

/// Where else a device may be: its address and its source, and the standard port of each, one after
/// the other, if it is set so.
#[test]
fn the_second_address_of_a_device_is_tried_when_nobody_answers_at_the_first() {
    let places = |value: &str, standard_port: &str| {
        let mut switch = super::forward::switch(|rows| {
            rows.settings.push(setting_row("nat.send_to", value, Depth::Account, 1));
            let port = setting_row("nat.standard_port", standard_port, Depth::Account, 1);
            rows.settings.push(SettingRow { id: SettingId(2), ..port });
        });
        switch.register(1, "sip:1001@10.0.0.9:5060", "203.0.113.5:4001");
        let stages = switch.go("1002 dials 1001").stages;
        let numbered = (0..).zip(&stages);
        let all = numbered.flat_map(|(at, stage)| stage.branches.iter().map(move |b| (at, b)));
        let ours = all.filter(|(_, branch)| branch.target.uri.contains("10.0.0.9"));
        let shown = |(at, branch): (i32, &Branch)| {
            format!("{at} {} {}", branch.target.address, branch.first_ms)
        };
        (ours.map(shown).collect::<Vec<_>>(), stages[0].next.unreachable)
    };
    assert_eq!(places("by-contact", "false"), (vec!["0 203.0.113.5:4001 0".to_owned()], None));
    let both = ["0 203.0.113.5:4001 3000", "1 10.0.0.9:5060 0"].map(str::to_owned);
    assert_eq!(places("both", "false"), (both.to_vec(), Some(1)));
    let standard = ["0 203.0.113.5:4001 3000", "1 203.0.113.5:5060 0"].map(str::to_owned);
    assert_eq!(places("source", "true"), (standard.to_vec(), Some(1)));
    // Of two places that are the same one is tried.
    let all = ["0 203.0.113.5:4001 3000", "1 10.0.0.9:5060 0", "1 203.0.113.5:5060 0"];
    assert_eq!(places("both", "true"), (all.map(str::to_owned).to_vec(), Some(1)));
}

fn keeps(rows: Rows) -> String {
    let binding = testing::binding("sip:1001@10.0.0.9:5060", "203.0.113.5:4001");
    let (world, who) = (World::build(rows).unwrap(), Holder::Subscriber(SubscriberId(1)));
    let kept = crate::keep::kept(&world, who, &binding, Tick(0), Tick(1)).unwrap();
    format!("{:?} {}", kept.how, kept.every_ms)
}

/// A row of a setting at a place; `id` is the account or subscriber there.
pub(crate) fn setting_row(path: &str, value: &str, depth: Depth, id: i64) -> SettingRow {
    let (category, name) = path.split_once('.').unwrap();
    SettingRow {
        id: SettingId(1),
        category: category.to_owned(),
        name: name.to_owned(),
        tenant: (depth > Depth::System).then_some(TenantId(1)),
        account: (depth == Depth::Account).then_some(AccountId(id)),
        subscriber: (depth == Depth::Subscriber).then_some(SubscriberId(id)),
        value: value.to_owned(),
    }
}

#[test]
fn every_setting_changes_what_is_decided_at_each_of_its_places() {
    let own: Vec<String> =
        SETTINGS.iter().filter(|s| s.reader == SettingReader::Routing).map(Setting::path).collect();
    let tested: Vec<&str> = CASES.iter().map(|(path, ..)| *path).collect();
    assert_eq!(own, tested, "a setting without a case, or a case without one");
    for (path, value, id, see, before, after) in CASES {
        assert_eq!(see(rows()), *before, "{path} has its default");
        let (category, name) = path.split_once('.').unwrap();
        let setting = Setting::find(category, name).unwrap();
        for depth in Depth::ALL.into_iter().filter(|depth| *depth <= setting.depth) {
            // Subscriber 4 is on account 2.
            let id = if depth == Depth::Account && *id == 4 { 2 } else { *id };
            let mut rows = rows();
            rows.settings.push(setting_row(path, value, depth, id));
            assert_eq!(see(rows), *after, "{path} = {value} at {depth:?}");
        }
        // Deeper than it may be set, or with a value that it cannot have, it does not count.
        for depth in Depth::ALL.into_iter().filter(|depth| *depth > setting.depth) {
            let mut rows = rows();
            let id = if depth == Depth::Subscriber { 1 } else { *id };
            rows.settings.push(setting_row(path, value, depth, id));
            assert_eq!(see(rows), *before, "{path} = {value} at {depth:?}");
        }
    }
}
