//! Barring, short numbers, limits, causes, names and registered trunks.

use super::*;
use strowger_link::{ANY_STATUS, Cause, CauseSwap, Gauge};
use strowger_model::{
    Barring, CauseMap, DigestPolicy, EgressTarget, HostPort, OrganizationId, OrganizationKind,
    TrunkCredentials,
};

fn barring(allowed: &[&str], blocked: &[&str]) -> Barring {
    let list = |texts: &[&str]| texts.iter().map(|t| testing::digits(t)).collect();
    Barring { all: false, allowed: list(allowed), blocked: list(blocked) }
}

#[test]
fn barred_numbers() {
    let seven = "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01";
    let by = |b: Barring| move |r: &mut Rows| r.subscribers[0].barring = b.clone();
    let denied = "403 Denied cause 21";
    check_with(by(barring(&[], &["44"])), "1001 dials 4420", denied);
    check_with(by(barring(&["44"], &["447"])), "1001 dials 447700900123", denied);
    check_with(by(barring(&["44"], &["447"])), "1001 dials 4420", seven);
    check_with(by(barring(&["33"], &[])), "1001 dials 4420", denied);
    // Colleagues are no numbers that leave us.
    let ring = "ring 10.0.0.2:5060; account 1 pays 0";
    check_with(by(barring(&["33"], &[])), "1001 dials 1002", ring);
    let all = Barring { all: true, ..Barring::default() };
    check_with(by(all.clone()), "1001 dials 1002", denied);
    let emergency = |r: &mut Rows| {
        r.subscribers[0].barring = Barring { all: true, ..Barring::default() };
        let (tenant, number, trunks) = (TenantId(1), testing::digits("112"), vec![TrunkId(7)]);
        r.emergencies.push(Emergency { tenant, number, trunks });
    };
    check_with(emergency, "1001 dials 112", "112 to trunk 7 at 192.0.2.7:5060");
    let ingress = |r: &mut Rows| {
        if let Some(ingress) = &mut r.trunks[2].ingress {
            ingress.barring = barring(&[], &["4420"]);
        }
    };
    check_with(ingress, "trunk 8 dials 4420", denied);
    let egress = |r: &mut Rows| {
        if let Some(egress) = &mut r.trunks[0].egress {
            egress.barring = barring(&[], &["4420"]);
        }
    };
    check_with(egress, "1001 dials 4420", "404 NoRoute cause 3");
    check_with(egress, "1001 dials 4421", &seven.replace("4420", "4421"));
}

#[test]
fn short_numbers_are_known_in_the_nearest_company() {
    // 1 is a company; 2 and 3 are departments below it, 4 stands alone.
    let tree = |r: &mut Rows| {
        for (id, parent) in [(2, Some(1)), (3, Some(1)), (4, None)] {
            let kind = OrganizationKind::Customer;
            let row = testing::organization(id, parent);
            r.organizations.retain(|o| o.id != row.id);
            r.organizations.push(strowger_model::Organization { kind, ..row });
        }
        r.subscribers[0].organization = OrganizationId(2);
        r.subscribers[1].organization = OrganizationId(3);
    };
    check_with(tree, "1001 dials 12", "ring 10.0.0.2:5060; account 1 pays 0");
    let apart = |r: &mut Rows| {
        tree(r);
        r.subscribers[1].organization = OrganizationId(4);
    };
    check_with(apart, "1001 dials 12", "404 UnknownNumber cause 1");
    // A department becomes a company of its own: its short numbers are its own from then on.
    let mut rows = rows();
    tree(&mut rows);
    let mut switch = Switch::new(rows);
    let row = testing::organization(3, Some(1));
    switch.world = switch.world.changed(Change::Organization(row)).unwrap();
    assert_eq!(switch.say("1001 dials 12"), "404 UnknownNumber cause 1");
}

#[test]
fn called_numbers_of_a_trunk_are_edited_before_they_are_normalised() {
    let edit = |r: &mut Rows| {
        if let Some(ingress) = &mut r.trunks[2].ingress {
            ingress.tech_prefix = Some(testing::digits("77"));
            ingress.called.if_begins = vec!["0".into()];
            ingress.called.remove_then = "0".into();
            ingress.called.add = "0044".into();
        }
    };
    let seven = "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01";
    check_with(edit, "trunk 8 dials 77020", seven);
    check_with(edit, "trunk 8 dials 774420", seven);
}

#[test]
fn limits_of_who_calls_and_of_who_is_called() {
    let mut rows = rows();
    rows.subscribers[1].calls_max = 2;
    if let Some(ingress) = &mut rows.trunks[2].ingress {
        (ingress.calls_max, ingress.cps_max) = (30, 4);
    }
    let mut switch = Switch::new(rows);
    let Verdict::Go(plan) = switch.decide("trunk 8 dials 1002").verdict else { panic!() };
    let of = LimitOf::Trunk(TrunkId(8));
    assert_eq!(plan.admit.unwrap().limits, [Limit { of, calls_max: 30, cps_max: 4, warn: 0 }]);
    let gauge = Gauge { id: Gauge::CALLEE | 2, in_use_max: 2, per_second_max: 0 };
    assert_eq!(plan.go.stages[0].branches[0].gauges, [gauge]);
    let go = switch.go("trunk 8 dials 4420");
    let gauge = Gauge { id: 7, in_use_max: 30, per_second_max: 5 };
    assert_eq!(go.stages[0].branches[0].gauges, [gauge]);
}

#[test]
fn causes_and_reasons_go_with_the_plan() {
    let mut rows = rows();
    let map = |status, to_status, to_q850| CauseMap { status, to_status, to_q850 };
    if let Some(egress) = &mut rows.trunks[0].egress {
        egress.causes = vec![map(503, 486, 0), map(404, 500, 27)];
        egress.continue_on = vec![486];
        egress.stop_on = vec![500];
    }
    if let Some(ingress) = &mut rows.trunks[2].ingress {
        ingress.causes = vec![map(404, 603, 0)];
        ingress.reason = true;
    }
    let mut switch = Switch::new(rows);
    let go = switch.go("trunk 8 dials 4420");
    let branch = &go.stages[0].branches[0];
    let swap = |status, sip, q850| CauseSwap { status, instead: Cause::new(sip, q850) };
    assert_eq!(branch.manner.causes, [swap(503, 486, 17), swap(404, 500, 27)]);
    assert!(!branch.manner.explain && go.manner.explain);
    assert_eq!((&branch.continue_on, &branch.stop_on), (&vec![486], &vec![500]));
    assert_eq!(go.manner.causes, [swap(404, 603, 21)]);
    // What we refuse is mapped here.
    let Verdict::Refuse(refuse) = switch.decide("trunk 8 dials 33").verdict else { panic!() };
    assert_eq!((refuse.cause, refuse.explain), (Cause::new(603, 21), true));
}

#[test]
fn emergency_hops_go_on_whatever_they_say() {
    let mut rows = rows();
    let (tenant, number) = (TenantId(1), testing::digits("112"));
    let trunks = vec![TrunkId(7), TrunkId(6)];
    rows.emergencies.push(Emergency { tenant, number, trunks });
    let mut switch = Switch::new(rows);
    let go = switch.go("1001 dials 112");
    assert_eq!(go.stages.len(), 3);
    assert!(go.stages.iter().flat_map(|s| &s.branches).all(|b| b.continue_on == [ANY_STATUS]));
    let next: Vec<_> = go.stages.iter().map(|s| s.next.failed).collect();
    assert_eq!(next, [Some(1), Some(2), None]);
}

#[test]
fn a_name_is_as_many_hops_as_it_has_addresses() {
    let named = |r: &mut Rows| {
        if let Some(egress) = &mut r.trunks[0].egress {
            let host = |name: &str, port| EgressTarget::Host(HostPort { name: name.into(), port });
            egress.targets = vec![host("a.example", 0), host("b.example", 5080)];
        }
        r.names.insert("a.example".into(), vec!["192.0.2.71".parse().unwrap()]);
    };
    let one = "4420 to trunk 7 at 192.0.2.71:5060; account 1 pays 0.01";
    check_with(named, "1001 dials 4420", one);
    let both = |r: &mut Rows| {
        named(r);
        let list = ["192.0.2.2", "2001:db8::2"].map(|ip| ip.parse().unwrap());
        r.names.insert("b.example".into(), list.into());
    };
    check_with(
        both,
        "1001 dials 4420",
        "4420 to trunk 7 at 192.0.2.71:5060, then 4420 to trunk 7 at 192.0.2.2:5080, then \
         4420 to trunk 7 at [2001:db8::2]:5080; account 1 pays 0.01",
    );
    let unknown = |r: &mut Rows| {
        named(r);
        r.names.clear();
    };
    check_with(unknown, "1001 dials 4420", "404 NoRoute cause 3");
}

fn registered(r: &mut Rows) {
    let trunk = &mut r.trunks[0];
    let mut ingress = strowger_model::Ingress::new(AccountId(1));
    ingress.credentials = Some(TrunkCredentials {
        username: "pbx".into(),
        ha1_md5: Some(crate::digest::ha1_md5("pbx", testing::REALM, "demopbx")),
        ha1_sha256: None,
        digest: DigestPolicy::Both,
    });
    trunk.ingress = Some(ingress);
    if let Some(egress) = &mut trunk.egress {
        egress.targets = vec![EgressTarget::Registered];
    }
}

#[test]
fn a_trunk_registers_with_us_and_calls_by_its_credentials() {
    let mut rows = rows();
    registered(&mut rows);
    let mut switch = Switch::new(rows);
    assert_eq!(switch.say("1001 dials 4420"), "404 NoRoute cause 3");
    let contact = strowger_link::ContactAsk {
        uri: "sip:line1@10.0.0.7:5060".into(),
        expires_s: 600,
        q: 1000,
        params: String::new(),
    };
    let mut credentials = testing::credentials("pbx", "REGISTER", "demopbx");
    credentials.nonce = "other".into();
    let ha1 = crate::digest::ha1_md5("pbx", testing::REALM, "demopbx");
    credentials.response = crate::digest::response_md5(&credentials, &ha1);
    let request = RegisterAsk {
        user: "pbx".into(),
        host: testing::REALM.into(),
        credentials,
        contacts: vec![contact],
        sip_call_id: "c".into(),
        cseq: 1,
        user_agent: String::new(),
        path: Vec::new(),
        flow: 0,
        supported: Vec::new(),
        direct: true,
        nated: false,
    };
    let mut ask = switch.ask.clone();
    ask.hints = testing::hints("10.0.0.7:5060");
    ask.body = AskBody::Register(Box::new(request));
    let decision =
        crate::register::register(&switch.world, &mut switch.locations, &ask, Tick(0), WALL);
    assert!(matches!(decision.verdict, Verdict::Registered(_)), "{:?}", decision.trace);
    let go = switch.go("1001 dials 4420");
    let target = &go.stages[0].branches[0].target;
    assert_eq!(
        (target.uri.as_str(), target.address.to_string().as_str()),
        ("sip:4420@10.0.0.7:5060", "10.0.0.7:5060")
    );
    // Its calls, from wherever they come, by its credentials.
    let got = switch.say("pbx dials 1002");
    assert_eq!(got, "ring 10.0.0.2:5060; account 1 pays 0.01".replace("0.01", "1"));
    // Its name is no address, and nobody else's either.
    assert_eq!(switch.say("1001 dials pbx"), "404 UnknownNumber cause 1");
    let taken = switch.world.changed(Change::Subscriber(Box::new(testing::subscriber(9, "pbx"))));
    assert_eq!(taken.unwrap_err().to_string(), "subscriber 9: its username is taken by trunk 7");
}

#[test]
fn numbers_names_and_shorts_have_one_holder() {
    let world = World::build(rows()).unwrap();
    let did = |number: &str| strowger_model::Did {
        id: strowger_model::DidId(3),
        tenant: TenantId(1),
        organization: OrganizationId(1),
        number: testing::digits(number),
        target: strowger_model::DidTarget::Trunk(TrunkId(7)),
        enabled: true,
        reserved_until_us: None,
        shared: false,
        payer: None,
    };
    let refused = |change: Change| world.changed(change).unwrap_err().to_string();
    let taken = "DID 3: its numbers is taken by subscriber 1";
    assert_eq!(refused(Change::Did(did("442071001"))), taken);
    let group = strowger_model::RingGroup {
        id: strowger_model::RingGroupId(5),
        tenant: TenantId(1),
        organization: OrganizationId(1),
        account: AccountId(1),
        name: "1003".into(),
        numbers: Vec::new(),
        short: Some(testing::digits("11")),
        mode: strowger_model::RingMode::Parallel,
        members: Vec::new(),
        overflow: None,
        enabled: true,
    };
    let named =
        |name: &str| Box::new(strowger_model::RingGroup { name: name.into(), ..group.clone() });
    let name = "ring group 5: its username is taken by subscriber 3";
    assert_eq!(refused(Change::RingGroup(named("1003"))), name);
    let short = "ring group 5: its short is taken by subscriber 1";
    assert_eq!(refused(Change::RingGroup(named("sales"))), short);
    let good = world.changed(Change::Did(did("4499"))).unwrap();
    assert!(good.numbered(TenantId(1), testing::digits("4499")).is_some());
    let gone = good.changed(Change::Remove(crate::world::RowName::Did(strowger_model::DidId(3))));
    assert!(gone.unwrap().numbered(TenantId(1), testing::digits("4499")).is_none());
}

/// A row or a name server may say what it likes: the call does not go there, and the next hop has
/// it.
#[test]
fn nothing_is_sent_to_addresses_that_are_off_limits() {
    let with = |targets: &'static [&'static str], allow_private| {
        move |r: &mut Rows| {
            let mut trunk = testing::egress_trunk(7, targets);
            trunk.egress.as_mut().unwrap().allow_private = allow_private;
            r.trunks[0] = trunk;
        }
    };
    let none = "404 NoRoute cause 3";
    let to = |address: &str| format!("4420 to trunk 7 at {address}; account 1 pays 0.01");
    for address in ["127.0.0.1:5060", "10.0.0.9:5060", "192.0.2.1:5060", "224.0.0.1:5060"] {
        let one: &'static [&'static str] = Vec::leak(vec![address]);
        check_with(with(one, false), "1001 dials 4420", none);
    }
    check_with(with(&["10.0.0.9:5060"], true), "1001 dials 4420", &to("10.0.0.9:5060"));
    check_with(with(&["127.0.0.1:5090"], true), "1001 dials 4420", none);
    let two = &["127.0.0.1:5090", "192.0.2.7:5060"];
    check_with(with(two, false), "1001 dials 4420", &to("192.0.2.7:5060"));
    // What a name server says.
    let named = |address: &'static str| {
        move |r: &mut Rows| {
            let host = HostPort { name: "sip.carrier.example".into(), port: 5060 };
            r.trunks[0].egress.as_mut().unwrap().targets = vec![EgressTarget::Host(host)];
            let addresses = vec![address.parse().unwrap(), "192.0.2.7".parse().unwrap()];
            r.names.insert("sip.carrier.example".into(), addresses);
        }
    };
    check_with(named("127.0.0.1"), "1001 dials 4420", &to("192.0.2.7:5060"));
    let mut rows = rows();
    named("192.0.2.1")(&mut rows);
    let go = Switch::new(rows).go("1001 dials 4420");
    let addresses: Vec<_> = go.stages.iter().map(|s| s.branches[0].target.address).collect();
    assert_eq!(addresses, ["192.0.2.7:5060".parse().unwrap()], "our own listener is left out");
}

/// A contact that names ourselves would be a call to us again.
#[test]
fn no_contact_is_our_own_listener() {
    let mut switch = Switch::new(rows());
    switch.register(3, "sip:1003@192.0.2.1:5060", "192.0.2.1:9999");
    assert_eq!(switch.say("1001 dials 1003"), "480 Offline cause 20");
}
