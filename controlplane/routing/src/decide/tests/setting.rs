//! Every setting that decisions read, by name: what is seen without it, and with it at each place
//! where it may be set.

use super::*;
use crate::edge::{EdgeSettings, edge};
use crate::register::register;
use strowger_link::ContactAsk;
use strowger_model::{
    Depth, Forward, ForwardWhen, OrganizationId, RingGroup, RingGroupId, RingMember, RingMode,
    RingParty, SETTINGS, Setting, SettingId, SettingReader, SettingRow, TrunkCredentials,
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
    ("call.hops_max", "1", 1, |r| go(two_carriers(r), "1001 dials 447").stages.len().to_string(),
        "3", "1"),
    ("call.retry_after_ms", "7000", 1, retry_after, "0", "7"),
    ("call.local_numbers", "false", 1, |r| say(r, "1001 dials 442071002"),
        "ring 10.0.0.2:5060; account 1 pays 0",
        "442071002 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01"),
    ("call.send_back", "true", 1, |r| say(to_the_sender(r), "trunk 8 dials 4420"),
        "404 NoRoute cause 3", "4420 to trunk 8 at 192.0.2.8:5060; account 1 pays 0.01"),
    ("call.unregistered", "false", 4, |r| say(r, "1004 dials 1002"),
        "ring 10.0.0.2:5060; account 2 pays 0", "403 Denied cause 21"),
    ("call.reasons", "false", 1, |r| go(r, OUTSIDE).manner.explain.to_string(), "true", "false"),
    ("failover.continue_on", "486,600", 1, |r| format!("{:?}", branch(r, OUTSIDE).continue_on),
        "[]", "[486, 600]"),
    ("failover.stop_on", "503", 1, |r| format!("{:?}", branch(r, OUTSIDE).stop_on), "[]", "[503]"),
    ("failover.first_ms", "3000", 1, |r| branch(patient(r), OUTSIDE).first_ms.to_string(),
        "0", "3000"),
    ("limit.tenant_calls_max", "9", 1, limits, "", "Tenant(TenantId(1)) 9 0"),
    ("limit.tenant_cps_max", "8", 1, limits, "", "Tenant(TenantId(1)) 0 8"),
    ("limit.subscriber_calls_max", "2", 1, limits, "", "Subscriber(SubscriberId(1)) 2 0"),
    ("media.nat", "always", 1, |r| go(r, OUTSIDE).media.nated.to_string(), "false", "true"),
    ("media.start_timeout_ms", "5000", 1,
        |r| go(r, OUTSIDE).media.start_timeout_ms.to_string(), "30000", "5000"),
    ("media.timeout_ms", "0", 1, |r| branch(r, OUTSIDE).media.timeout_ms.to_string(),
        "20000", "0"),
    ("identity.cli", "hide", 1, |r| branch(r, OUTSIDE).from_user, "442071001", "anonymous"),
    ("identity.number", "4499", 1, |r| branch(r, OUTSIDE).from_user, "442071001", "4499"),
    ("identity.display", "false", 1, |r| branch(r, OUTSIDE).display, "Phone 1001", ""),
    ("identity.diversion", "false", 1, diversions, "Diversion", ""),
    ("registration.expires_ms_min", "300000", 1, |r| registers(r, "1001", &[60]), "60", "423"),
    ("registration.expires_ms_max", "120000", 1, |r| registers(r, "1001", &[3600]), "3600", "120"),
    ("registration.contacts_max", "1", 1, |r| registers(r, "1001", &[60, 60]), "60 60", "403"),
    ("registration.trunk_expires_ms_min", "300000", 1, |r| registers(r, "peer", &[60]),
        "60", "423"),
    ("registration.trunk_expires_ms_max", "120000", 1, |r| registers(r, "peer", &[9000]),
        "3600", "120"),
    ("registration.trunk_contacts_max", "1", 1, |r| registers(r, "peer", &[60, 60]),
        "60 60", "403"),
    ("digest.nonce_ms", "60000", 1, nonce_s, "300", "60"),
    ("digest.strong", "true", 1, |r| say(r, "1001 dials 1002"),
        "ring 10.0.0.2:5060; account 1 pays 0", "challenge demo.example [Sha256]"),
    ("digest.qop", "true", 1, without_qop,
        "ring 10.0.0.2:5060; account 1 pays 0", "challenge demo.example [Sha256, Md5]"),
    ("ring_group.member_ms", "9000", 1, |r| ring_ms(with_group(r), "1001 dials sales"),
        "22000", "9000"),
    ("price.customer_default", "0.5", 2, |r| say(r, "1004 dials 4420"),
        "403 NoPrice cause 21", "4420 to trunk 7 at 192.0.2.7:5060; account 2 pays 0.5"),
    ("price.supplier_default", "0.02", 9, supplier_price, "404 NoRoute cause 3", "0.02"),
    ("price.unpriced_trunks", "false", 1, |r| say(r, OUTSIDE),
        "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01", "404 NoRoute cause 3"),
];

fn say(rows: Rows, line: &str) -> String {
    switch(rows).say(line)
}

fn switch(rows: Rows) -> Switch {
    let mut switch = Switch::new(rows);
    switch.register(3, "sip:1003@10.0.0.3:5060", "10.0.0.3:5060");
    switch
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
    let words = all.iter().map(|l| format!("{:?} {} {}", l.of, l.calls_max, l.cps_max));
    words.collect::<Vec<_>>().join(", ")
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

fn nonce_s(rows: Rows) -> String {
    let settings =
        EdgeSettings { version: 1, tenant: TenantId(1), nonce_key: [7; 16], denied: Vec::new() };
    let (edge, _) = edge(&World::build(rows).unwrap(), &settings).unwrap();
    edge.nonce_valid_s.to_string()
}

/// What somebody's REGISTER with contacts of these lifetimes is answered: those granted, or a
/// status. `peer` is trunk 8.
fn registers(mut rows: Rows, username: &str, lifetimes_s: &[u32]) -> String {
    let ha1_md5 = Some(crate::digest::ha1_md5("peer", testing::REALM, "demopeer"));
    rows.trunks[2].ingress.as_mut().unwrap().credentials = Some(TrunkCredentials {
        username: "peer".into(),
        ha1_md5,
        ha1_sha256: None,
        digest: strowger_model::DigestPolicy::Md5Only,
    });
    let contact = |(n, expires_s): (usize, &u32)| ContactAsk {
        uri: format!("sip:{username}@10.0.0.{}", n + 20),
        expires_s: *expires_s,
        q: 1000,
        params: String::new(),
    };
    let request = RegisterAsk {
        user: username.into(),
        host: testing::REALM.into(),
        credentials: testing::credentials(username, "REGISTER", &format!("demo{username}")),
        contacts: lifetimes_s.iter().enumerate().map(contact).collect(),
        sip_call_id: "c".into(),
        cseq: 1,
        user_agent: String::new(),
        path: Vec::new(),
        flow: 0,
    };
    let ask = Ask { body: AskBody::Register(Box::new(request)), ..ask("1001", "") };
    let world = World::build(rows).unwrap();
    match register(&world, &mut Locations::default(), &ask, Tick(0), WALL).verdict {
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
