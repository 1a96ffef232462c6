//! Who calls is who he shows to be: the eleven modes of the source, guests, and partners.

use super::switch::{Switch, check_with, rows, words};
use super::*;
use crate::digest;
use strowger_model::{
    Did, DidId, DidTarget, DigestPolicy, Forward, ForwardWhen, Guests, Ingress, IngressAuth,
    OrganizationId, SourceMatch, Trunk, TrunkCredentials,
};

const OUTSIDE: &str = "442079460018";
const HOME: &str = "192.0.2.8:5060";
const AWAY: &str = "203.0.113.9:5060";

/// A call of somebody who says to be trunk 8, or nobody.
#[derive(Clone, Copy)]
struct Try {
    source: &'static str,
    from: &'static str,
    called: &'static str,
    /// Shows the trunk's credentials.
    password: Option<&'static str>,
    listener: u8,
}

const HERE: Try = Try { source: HOME, from: "pbx", called: OUTSIDE, password: None, listener: 0 };

fn at(network: &str, prefix_len: u8, port: u16) -> Vec<SourceMatch> {
    vec![SourceMatch { network: network.parse().unwrap(), prefix_len, port }]
}

fn credentials() -> Option<TrunkCredentials> {
    let ha1_md5 = Some(digest::ha1_md5("pbx", testing::REALM, "secret"));
    let digest = DigestPolicy::Both;
    Some(TrunkCredentials { username: "pbx".to_owned(), ha1_md5, ha1_sha256: None, digest })
}

fn ingress() -> Ingress {
    Ingress::new(AccountId(1))
}

fn guests() -> Ingress {
    Ingress { auth: IngressAuth::Nobody, trusted: false, ..ingress() }
}

/// Credentials from one of these.
fn both(sources: Vec<SourceMatch>) -> Ingress {
    Ingress { auth: IngressAuth::Both, sources, credentials: credentials(), ..ingress() }
}

/// Trunk 8 calls so; listener 0 takes guests of every kind, listener 1 challenges.
fn switch(ingress: Ingress, policy: Guests) -> Switch {
    let mut rows = rows();
    rows.listeners[0].guests = policy;
    let trunk = rows.trunks.iter_mut().find(|trunk| trunk.id == TrunkId(8)).unwrap();
    trunk.ingress = Some(ingress);
    Switch::new(rows)
}

/// `trunk 8` when the call is its own, else what becomes of it.
fn tried(switch: &mut Switch, with: Try) -> String {
    switch.prepare(&format!("trunk 8 dials {}", with.called));
    let source = with.source.parse().unwrap();
    let own = switch.world.trunk_sources(switch.world.trunk(TrunkId(8)).unwrap());
    switch.ask.hints.source = source;
    switch.ask.hints.listener = with.listener;
    switch.ask.hints.trunk = own.iter().any(|m| m.matches(source)).then_some(8);
    let count = switch.count;
    let call = switch.call();
    call.caller.from_user = with.from.to_owned();
    call.caller.from_host = "elsewhere.example".to_owned();
    call.credentials = with.password.map(|password| {
        let mut shown = testing::credentials("pbx", "INVITE", password);
        shown.nonce_count = format!("{count:08x}");
        let ha1 = digest::ha1_md5("pbx", testing::REALM, password);
        shown.response = digest::response_md5(&shown, &ha1);
        shown
    });
    let decision = switch.again();
    let is_its = decision
        .trace
        .steps()
        .any(|step| matches!(step, Step::SenderTrunk { trunk: 8 } | Step::Guest { trunk: 8, .. }));
    let said = words(&decision);
    if is_its && matches!(decision.verdict, Verdict::Go(_)) { "trunk 8".to_owned() } else { said }
}

/// One of the source's modes: its number and name, the row that is so here, a call that is taken,
/// and one that is not, with what it is told.
type Mode = (u8, &'static str, Ingress, Try, Try, &'static str);

fn modes() -> Vec<Mode> {
    let challenge = "challenge demo.example [Sha256, Md5]";
    let (denied, failed) = ("403 Denied cause 21", "403 AuthFailed cause 21, no record");
    let anywhere = Try { source: AWAY, ..HERE };
    let shown = Try { password: Some("secret"), ..HERE };
    let wrong = Try { password: Some("guess"), ..anywhere };
    let prefix = Some(testing::digits("77"));
    let prefixed = "77442079460018";
    let (users, number) = (vec!["pbx".to_owned()], vec!["447700900555".to_owned()]);
    let other = Try { from: "other", ..HERE };
    let away = Try { password: Some("secret"), ..anywhere };
    let host = || at("192.0.2.8", 32, 0);
    vec![
        (0, "none", guests(), anywhere, Try { listener: 1, ..anywhere }, challenge),
        (1, "IP", Ingress { sources: host(), ..ingress() }, HERE, anywhere, challenge),
        (
            2,
            "tech prefix",
            Ingress { tech_prefix: prefix, ..guests() },
            Try { called: prefixed, ..anywhere },
            anywhere,
            challenge,
        ),
        (
            3,
            "tech prefix+IP",
            Ingress { tech_prefix: prefix, sources: host(), ..ingress() },
            Try { called: prefixed, ..HERE },
            HERE,
            denied,
        ),
        (
            4,
            "user+password",
            Ingress { credentials: credentials(), ..ingress() },
            away,
            wrong,
            failed,
        ),
        (
            5,
            "username/A-number",
            Ingress { users: number, ..guests() },
            Try { from: "+447700900555", ..anywhere },
            anywhere,
            challenge,
        ),
        (
            6,
            "IP+port",
            Ingress { sources: at("192.0.2.8", 32, 5060), ..ingress() },
            HERE,
            Try { source: "192.0.2.8:5061", ..HERE },
            challenge,
        ),
        (7, "IP+username", Ingress { users, sources: host(), ..ingress() }, HERE, other, challenge),
        (8, "IP+user+password", both(host()), shown, away, failed),
        (
            9,
            "IP range",
            Ingress { sources: at("192.0.2.0", 28, 0), ..ingress() },
            HERE,
            Try { source: "192.0.2.16:5060", ..HERE },
            challenge,
        ),
        (10, "IP range+user+password", both(at("192.0.2.0", 28, 0)), shown, HERE, challenge),
    ]
}

#[test]
fn all_eleven_modes_of_the_source_are_rows_here() {
    let modes = modes();
    let numbers: Vec<u8> = modes.iter().map(|mode| mode.0).collect();
    assert_eq!(numbers, (0..=10).collect::<Vec<u8>>());
    for (number, name, row, right, wrong, told) in modes {
        let what = format!("mode {number}, {name}");
        let mut switch = switch(row, Guests::Account);
        assert_eq!(tried(&mut switch, right), "trunk 8", "{what}");
        assert_eq!(tried(&mut switch, wrong), told, "{what}");
    }
    // Both are wanted: neither is enough.
    let (.., row, _, _, _) = self::modes().swap_remove(8);
    let mut switch = switch(row, Guests::Account);
    assert!(tried(&mut switch, HERE).starts_with("challenge"));
    let wrong = Try { password: Some("guess"), ..HERE };
    assert!(tried(&mut switch, wrong).starts_with("403 AuthFailed"));
}

/// Mode 0 is open only where the process says so, and is known to be.
#[test]
fn an_open_trunk_is_one_where_a_listener_takes_everybody() {
    let open = |row: Ingress, policy| switch(row, policy).world.open_trunks().count();
    for policy in [Guests::Challenge, Guests::Refuse, Guests::Dids] {
        assert_eq!(open(guests(), policy), 0, "{policy:?}");
    }
    assert_eq!(open(guests(), Guests::Account), 1);
    assert_eq!(open(Ingress { listeners: vec![1], ..guests() }, Guests::Account), 0);
    let prefix = Some(testing::digits("77"));
    assert_eq!(open(Ingress { tech_prefix: prefix, ..guests() }, Guests::Account), 0);
    let sources = at("192.0.2.8", 32, 0);
    assert_eq!(open(Ingress { sources, ..ingress() }, Guests::Account), 0);
    let mut rows = rows();
    rows.listeners[0].guests = Guests::Account;
    rows.trunks[2].ingress = Some(guests());
    rows.trunks[2].enabled = false;
    assert_eq!(World::build(rows).unwrap().open_trunks().count(), 0, "switched off");
}

#[test]
fn guests_of_a_listener_for_dids_call_dids_and_nothing_else() {
    let mut rows = rows();
    rows.listeners[0].guests = Guests::Dids;
    rows.trunks[2].ingress = Some(guests());
    rows.emergencies.push(Emergency {
        tenant: TenantId(1),
        number: testing::digits("112"),
        trunks: vec![TrunkId(7)],
    });
    rows.dids = vec![Did {
        id: DidId(1),
        tenant: TenantId(1),
        organization: OrganizationId(1),
        number: testing::digits("442080001"),
        target: DidTarget::Subscriber(SubscriberId(2)),
        enabled: true,
        reserved_until_us: None,
        shared: false,
        payer: None,
    }];
    let mut switch = Switch::new(rows);
    let guest = Try { source: AWAY, from: "jo", called: "442080001", ..HERE };
    let challenge = "challenge demo.example [Sha256, Md5]";
    assert_eq!(tried(&mut switch, guest), "trunk 8");
    for called in ["442071002", "1002", OUTSIDE, "112", "bob"] {
        assert_eq!(tried(&mut switch, Try { called, ..guest }), challenge, "{called}");
    }
    assert_eq!(tried(&mut switch, Try { listener: 1, ..guest }), challenge);
    // Who calls himself by a name of ours has to prove it.
    switch.prepare("trunk 8 dials 442080001");
    switch.ask.hints.source = AWAY.parse().unwrap();
    switch.ask.hints.trunk = None;
    switch.call().caller.from_user = "1001".to_owned();
    assert_eq!(words(&switch.again()), challenge);
    // And who proves it is himself there.
    switch.prepare("1001 dials 442079460018");
    let said = words(&switch.again());
    assert!(said.contains("trunk 7") && said.contains("account 1"), "{said}");
}

#[test]
fn of_several_trunks_for_guests_the_one_that_wants_most_is_asked_first() {
    let mut rows = rows();
    rows.listeners[0].guests = Guests::Account;
    let plain = &mut rows.trunks[2];
    plain.ingress = Some(guests());
    let more =
        |id, row| Trunk { ingress: Some(row), ..testing::egress_trunk(id, &["192.0.2.9:5060"]) };
    let users = vec!["ann".to_owned()];
    rows.trunks.push(more(30, Ingress { users, ..guests() }));
    let tech_prefix = Some(testing::digits("77"));
    rows.trunks.push(more(31, Ingress { tech_prefix, ..guests() }));
    let mut switch = Switch::new(rows);
    let mut guest_of = |from: &str, called: &str| {
        switch.prepare(&format!("trunk 8 dials {called}"));
        switch.ask.hints.source = AWAY.parse().unwrap();
        switch.ask.hints.trunk = None;
        switch.call().caller.from_user = from.to_owned();
        let decision = switch.again();
        decision
            .trace
            .steps()
            .find_map(|step| if let Step::Guest { trunk, .. } = step { Some(trunk) } else { None })
    };
    assert_eq!(guest_of("jo", OUTSIDE), Some(8));
    assert_eq!(guest_of("ann", OUTSIDE), Some(30));
    assert_eq!(guest_of("ann", "77442079460018"), Some(31));
}

#[test]
fn rows_of_trunks_have_what_their_mode_needs() {
    let build = |row: Ingress| {
        let mut rows = rows();
        rows.trunks[2].ingress = Some(row);
        World::build(rows).map(|_| ()).map_err(|e| e.to_string())
    };
    let sources = || at("192.0.2.8", 32, 0);
    let auth = Err("trunk 8: its auth is out of range".to_owned());
    assert_eq!(build(guests()), Ok(()));
    assert_eq!(build(Ingress { sources: sources(), ..guests() }), auth);
    assert_eq!(build(Ingress { credentials: credentials(), ..guests() }), auth);
    assert_eq!(
        build(Ingress { trusted: true, ..guests() }),
        Err("trunk 8: its trusted is out of range".to_owned())
    );
    let both = Ingress { auth: IngressAuth::Both, ..ingress() };
    assert_eq!(build(Ingress { sources: sources(), ..both.clone() }), auth);
    assert_eq!(build(Ingress { credentials: credentials(), ..both.clone() }), auth);
    let whole = Ingress { credentials: credentials(), sources: sources(), ..both };
    assert_eq!(build(whole), Ok(()));
}

#[test]
fn trunks_and_callers_that_are_no_partners_do_not_meet() {
    let org = |id| vec![OrganizationId(id)];
    let line = "1001 dials 442079460018";
    let (taken, no) =
        ("442079460018 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01", "404 NoRoute cause 3");
    // Organization 2 stands below 1.
    type Case<'a> = (i64, &'a [i64], i64, &'a [i64], &'a str);
    let cases: [Case<'_>; 8] = [
        (1, &[], 1, &[], taken),
        (1, &[1], 1, &[1], taken),
        (1, &[2], 1, &[], no),
        (1, &[2], 2, &[], taken),
        (1, &[1], 2, &[], taken),
        (1, &[], 1, &[2], no),
        (2, &[], 1, &[2], taken),
        (2, &[], 1, &[1], taken),
    ];
    for (caller, partners, trunk, takes, expect) in cases {
        let change = |r: &mut Rows| {
            r.subscribers[0].organization = OrganizationId(caller);
            r.accounts[0].partners = partners.iter().copied().map(OrganizationId).collect();
            r.trunks[0].organization = OrganizationId(trunk);
            let egress = r.trunks[0].egress.as_mut().unwrap();
            egress.partners = takes.iter().copied().map(OrganizationId).collect();
        };
        check_with(change, line, expect);
    }
    // A forward goes by who forwards: account 2 may not use the trunk, whoever calls.
    let forward = |r: &mut Rows| {
        r.accounts[1].tariff = r.accounts[0].tariff;
        r.subscribers[1].account = AccountId(2);
        r.subscribers[1].forwards = vec![Forward {
            when: ForwardWhen::Always,
            to: OUTSIDE.to_owned(),
            after_s: 0,
            enabled: true,
        }];
    };
    check_with(
        forward,
        "1001 dials 1002",
        &taken.replace("account 1 pays 0.01", "account 1 pays 0"),
    );
    let closed = |r: &mut Rows| {
        forward(r);
        r.accounts[1].partners = org(2);
    };
    let mut rows = rows();
    closed(&mut rows);
    let said = Switch::new(rows).say("1001 dials 1002");
    assert!(!said.contains("trunk 7"), "{said}");
}

#[test]
fn what_an_account_may_call_counts_for_all_who_call_on_it() {
    let closed = |r: &mut Rows| r.accounts[0].barring.blocked = vec![testing::digits("4420")];
    check_with(closed, "1001 dials 442079460018", "403 Denied cause 21");
    check_with(closed, "trunk 8 dials 442079460018", "403 Denied cause 21");
    check_with(closed, "1001 dials 1002", "ring 10.0.0.2:5060; account 1 pays 0");
    check_with(
        closed,
        "1001 dials 447700900123",
        "447700900123 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05",
    );
    let nobody = |r: &mut Rows| r.accounts[0].barring.all = true;
    check_with(nobody, "1001 dials 1002", "403 Denied cause 21");
}
