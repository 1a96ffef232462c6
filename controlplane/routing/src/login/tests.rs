use super::*;
use crate::edge::{EdgeSettings, edge};
use crate::names::Names;
use crate::testing;
use crate::world::Rows;
use std::sync::Arc;
use strowger_link::SourceAction;
use strowger_model::{Ingress, Sealed, TenantId};

fn row(id: i64, trunk: i64, username: &str) -> TrunkLogin {
    TrunkLogin {
        id: TrunkLoginId(id),
        tenant: TenantId(1),
        trunk: TrunkId(trunk),
        priority: 0,
        username: username.into(),
        auth_username: None,
        realm: None,
        password: Sealed(b"sealed".to_vec()),
        register: true,
        registrar: None,
        contact_user: None,
        expires_s: 600,
        caller_number: None,
        subscriber: None,
        enabled: true,
    }
}

/// An empty branch and an empty ask, as a reader of frames makes them.
fn branch() -> Branch {
    let media = strowger_link::MediaPolicy {
        mode: strowger_link::MediaMode::Relay,
        nated: false,
        start_timeout_ms: 0,
        timeout_ms: 0,
        voices: strowger_link::Voices::ALL,
        strict: false,
        ends_false: false,
        first_packet: false,
        srtp: strowger_link::Srtp::Accept,
    };
    let target = strowger_link::Target {
        uri: "sip:1@h".into(),
        address: "192.0.2.1:5060".parse().unwrap(),
        transport: strowger_link::Transport::Udp,
        flow: 0,
        routes: Vec::new(),
    };
    crate::decide::blank_branch(target, 0, media)
}

fn call(called: &str) -> CallAsk {
    CallAsk {
        request_uri: format!("sip:{called}@us"),
        called: called.into(),
        to_user: String::new(),
        caller: strowger_link::CallerIdentity {
            from_user: "1".into(),
            from_host: "h".into(),
            display: String::new(),
            asserted: Vec::new(),
            preferred: None,
            remote_party: None,
            privacy: String::new(),
        },
        credentials: None,
        sip_call_id: "c".into(),
        user_agent: String::new(),
        has_offer: true,
        emergency: false,
        headers: Vec::new(),
        diverted: Vec::new(),
        session_s: 0,
    }
}

fn host(name: &str, port: u16) -> HostPort {
    HostPort { name: name.into(), port }
}

/// Trunks 3 and 4, both of which may call us, with these targets and logins.
fn world(targets: [EgressTarget; 2], logins: Vec<TrunkLogin>) -> World {
    let mut rows = Rows {
        tenants: vec![testing::tenant(1, testing::REALM)],
        organizations: vec![testing::organization(1, None)],
        accounts: vec![testing::account(1, None), testing::account(9, None)],
        trunks: vec![testing::egress_trunk(3, &[]), testing::egress_trunk(4, &[])],
        listeners: vec![testing::listener("192.0.2.250:5060")],
        ..Rows::default()
    };
    for (trunk, target) in rows.trunks.iter_mut().zip(targets) {
        trunk.egress.as_mut().unwrap().targets = vec![target];
        trunk.ingress = Some(Ingress::new(strowger_model::AccountId(1)));
    }
    let logins = Logins::build(logins, |row| Some(format!("pw{}", row.id.0)));
    World::build(rows).unwrap().with_logins(logins)
}

fn address(text: &str) -> EgressTarget {
    EgressTarget::Address(text.parse().unwrap())
}

fn two_at_one_carrier() -> World {
    let both = [address("192.0.2.3:5060"), address("192.0.2.3:5060")];
    world(both, vec![row(1, 3, "a"), row(2, 4, "b")])
}

fn resolved(world: &World, names: &[(&str, &[&str])]) -> World {
    let mut all = Names::default();
    for (name, addresses) in names {
        let addresses: Vec<_> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        all.set(name, &addresses);
    }
    world.with_names(Arc::new(all))
}

#[test]
fn the_largest_priority_is_shown_and_equals_take_turns() {
    let rows = [(1, 5), (2, 9), (3, 9), (4, 1)];
    let rows = rows.map(|(id, priority)| TrunkLogin { priority, ..row(id, 3, "u") });
    let off = TrunkLogin { enabled: false, priority: 99, ..row(5, 3, "u") };
    let both = [address("192.0.2.3:5060"), address("192.0.2.4:5060")];
    let world = world(both, rows.into_iter().chain([off]).collect());
    let shown = |ask| world.login(TrunkId(3), None, AskId(ask)).map(|login| login.row.id.0);
    assert_eq!([0, 1, 2, 3].map(shown), [2, 3, 2, 3].map(Some));
    assert_eq!(world.login(TrunkId(4), None, AskId(0)), None);
}

#[test]
fn a_login_is_shown_with_its_own_name_and_realm_and_its_number() {
    let named = TrunkLogin {
        auth_username: Some("auth".into()),
        realm: Some("carrier".into()),
        caller_number: Some(testing::digits("4420")),
        ..row(1, 3, "u")
    };
    let logins =
        Logins::build(vec![named, row(2, 3, "v")], |row| (row.id.0 == 1).then(|| "pw".to_owned()));
    let world = two_at_one_carrier().with_logins(logins);
    let [first, second] = world.logins(TrunkId(3)) else { panic!("two") };
    let mut branch = branch();
    branch.asserted = Some("1001".into());
    first.onto(&mut branch);
    let secret = |username: &str, realm: &str| Secret {
        username: username.into(),
        password: "pw".into(),
        realm: realm.into(),
    };
    assert_eq!(branch.auth, BranchAuth::Mapped(secret("auth", "carrier")));
    assert_eq!((branch.from_user.as_str(), branch.asserted.as_deref()), ("4420", Some("4420")));
    branch.auth = BranchAuth::Ours;
    second.onto(&mut branch);
    assert_eq!(branch.auth, BranchAuth::Ours, "a seal that does not open is no password");
    assert!(!format!("{first:?}").contains("pw"), "{first:?}");
}

#[test]
fn what_is_registered_and_where() {
    let mut other = TrunkLogin { registrar: Some(host("reg.example", 5080)), ..row(7, 3, "u v") };
    other.contact_user = Some("c7".into());
    let only_shown = TrunkLogin { register: false, ..row(8, 3, "x") };
    let ip = TrunkLogin { registrar: Some(host("2001:db8::5", 0)), ..row(9, 4, "y") };
    let targets = [EgressTarget::Host(host("sip.example", 0)), address("192.0.2.4:5062")];
    let rows = vec![row(6, 3, "a"), other, only_shown, ip, row(10, 4, "z")];
    let world = resolved(
        &world(targets, rows),
        &[("sip.example", &["192.0.2.9", "2001:db8::9"]), ("reg.example", &["192.0.2.8"])],
    );
    let (wanted, left_out) = upstreams(&world, |_| false);
    let shown: Vec<String> = wanted
        .iter()
        .map(|u| {
            let at: Vec<String> = u.addresses.iter().map(ToString::to_string).collect();
            let secret = u.secret.as_ref().map(|s| s.password.as_str()).unwrap_or_default();
            let (registrar, aor, contact) = (&u.registrar, &u.aor, &u.contact_user);
            format!("{} {registrar} {aor} {contact} {secret} {}", u.id, at.join(","))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "6 sip:sip.example sip:a@sip.example a pw6 192.0.2.9:5060,[2001:db8::9]:5060",
            "7 sip:reg.example:5080 sip:u%20v@reg.example c7 pw7 192.0.2.8:5080",
            "9 sip:[2001:db8::5] sip:y@[2001:db8::5] y pw9 [2001:db8::5]:5060",
            "10 sip:192.0.2.4:5062 sip:z@192.0.2.4 z pw10 192.0.2.4:5062",
        ]
    );
    assert_eq!(left_out, 0);
    let named =
        |name: &str, services, addresses| NamedHost { name: name.into(), services, addresses };
    let udp = vec![strowger_link::Transport::Udp];
    let expect = [named("reg.example", Vec::new(), true), named("sip.example", udp, false)];
    assert_eq!(named_hosts(&world), expect);
}

#[test]
fn a_name_without_an_address_is_registered_nowhere_yet() {
    let targets = [EgressTarget::Host(host("sip.example", 0)), address("192.0.2.4:5060")];
    let world = world(targets, vec![row(6, 3, "a")]);
    assert_eq!(upstreams(&world, |_| false).0[0].addresses, []);
    assert_eq!(
        world.egress_addresses(world.trunk(TrunkId(3)).unwrap().egress.as_ref().unwrap()),
        []
    );
}

#[test]
fn calls_of_a_registrar_are_the_trunks_whose_contact_they_name() {
    let world = two_at_one_carrier();
    let from = "192.0.2.3:5060".parse().unwrap();
    let sender = |named, called: &str| world.sending_trunk(TrunkId(named), from, called);
    let id = |trunk: Option<&Trunk>| trunk.map(|trunk| trunk.id.0);
    // The edge knows the first of them only; the contact says which it is.
    assert_eq!(id(sender(3, "a")), Some(3));
    assert_eq!(id(sender(3, "b")), Some(4));
    assert_eq!(id(sender(3, "4420")), Some(3), "a number: the trunk that the edge named");
    let elsewhere = "192.0.2.99:5060".parse().unwrap();
    assert_eq!(world.sending_trunk(TrunkId(3), elsewhere, "b"), None);
    let settings =
        EdgeSettings { version: 1, tenant: TenantId(1), nonce_key: [0; 16], denied: Vec::new() };
    let (edge, _) = edge(&world, &settings).unwrap();
    // The first match wins; behind them stands where they are called.
    let source = edge.sources.first().unwrap();
    assert_eq!((source.port, source.action.clone()), (5060, SourceAction::Trunk(3)));
}

#[test]
fn the_called_number_of_a_contact_stands_in_to() {
    let logins = vec![
        TrunkLogin { caller_number: Some(testing::digits("4920")), ..row(1, 3, "a") },
        row(2, 4, "b"),
    ];
    let both = [address("192.0.2.3:5060"), address("192.0.2.3:5060")];
    let world = world(both, logins);
    for (from, called, to, received) in [
        ("192.0.2.3:5060", "a", "+4420", "+4420"),
        ("192.0.2.3:5060", "a", "a", "4920"),
        ("192.0.2.3:5060", "a", "", "4920"),
        ("192.0.2.3:5060", "b", "b", "b"),
        ("192.0.2.3:5060", "4430", "+4420", "4430"),
        ("192.0.2.9:5060", "a", "+4420", "a"),
    ] {
        let call = CallAsk { to_user: to.into(), ..call(called) };
        assert_eq!(world.received(from.parse().unwrap(), &call), received, "{called} {to}");
    }
}

#[test]
fn another_address_of_a_name_is_another_source() {
    let targets = [EgressTarget::Host(host("sip.example", 0)), address("192.0.2.4:5060")];
    let mut world = world(targets, Vec::new());
    let mut trunk = world.trunk(TrunkId(3)).unwrap().clone();
    trunk.ingress.as_mut().unwrap().hosts = vec![host("sip.example", 0)];
    world = world.changed(crate::world::Change::Trunk(Box::new(trunk))).unwrap();
    let before = resolved(&world, &[("sip.example", &["192.0.2.9"])]);
    let after = resolved(&before, &[("sip.example", &["192.0.2.10"])]);
    let sends = |world: &World, from: &str| {
        world.sending_trunk(TrunkId(3), from.parse().unwrap(), "44").map(|trunk| trunk.id.0)
    };
    assert_eq!(sends(&world, "192.0.2.9:7"), None);
    assert_eq!(sends(&before, "192.0.2.9:7"), Some(3));
    assert_eq!((sends(&after, "192.0.2.9:7"), sends(&after, "192.0.2.10:7")), (None, Some(3)));
    let egress = after.trunk(TrunkId(3)).unwrap().egress.as_ref().unwrap();
    let to = after.egress_addresses(egress);
    assert_eq!(to, [("192.0.2.10:5060".parse().unwrap(), "sip.example".to_owned())]);
}

/// Trunk 3 with a login of subscriber 7, one of subscriber 8, and one for all others.
fn world_of_subscribers() -> World {
    let both = [address("192.0.2.3:5060"), address("192.0.2.4:5060")];
    let own = |id, whose| TrunkLogin {
        subscriber: Some(SubscriberId(whose)),
        priority: 99,
        ..row(id, 3, &format!("carrier{whose}"))
    };
    let world = world(both, vec![own(1, 7), own(2, 8), row(3, 3, "all")]);
    let mut ann = testing::subscriber(7, "ann");
    ann.numbers = vec![testing::digits("4930")];
    world.changed(crate::world::Change::Subscriber(Box::new(ann))).unwrap()
}

#[test]
fn a_subscriber_shows_its_own_login_and_nobody_elses() {
    let world = world_of_subscribers();
    let shown = |caller: Option<i64>| {
        let login = world.login(TrunkId(3), caller.map(SubscriberId), AskId(5));
        login.map(|login| login.row.id.0)
    };
    assert_eq!([Some(7), Some(8), Some(9), None].map(shown), [1, 2, 3, 3].map(Some));
}

#[test]
fn a_subscribers_login_is_registered_while_he_is_here() {
    let world = world_of_subscribers();
    let ids = |here: &[i64]| -> Vec<i64> {
        let (wanted, _) = upstreams(&world, |id| here.contains(&id.0));
        wanted.iter().map(|upstream| upstream.id).collect()
    };
    assert_eq!([ids(&[]), ids(&[8]), ids(&[7, 8])], [vec![3], vec![2, 3], vec![1, 2, 3]]);
    let own = upstreams_of(&world, SubscriberId(7));
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].1.as_ref().map(|u| u.aor.as_str()), Some("sip:carrier7@192.0.2.3"));
    assert!(upstreams_of(&world, SubscriberId(9)).is_empty());
}

#[test]
fn who_calls_a_subscribers_login_calls_him_whatever_he_is_called_there() {
    let world = world_of_subscribers();
    for (called, to, received) in [
        ("carrier7", "carrier7", "4930"),
        ("carrier7", "+49301234", "4930"),
        ("all", "+49301234", "+49301234"),
    ] {
        let call = CallAsk { to_user: to.into(), ..call(called) };
        let from = "192.0.2.3:5060".parse().unwrap();
        assert_eq!(world.received(from, &call), received, "{called} {to}");
    }
}
