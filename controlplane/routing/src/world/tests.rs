use super::*;
use crate::testing;
use strowger_model::{Emergency, RateId, RouteId, TariffKind};

/// Everything of one small switch.
pub(super) fn rows() -> Rows {
    Rows {
        listeners: vec![
            testing::listener("192.0.2.1:5060"),
            Listener { transport: Transport::Tcp, ..testing::listener("192.0.2.1:5060") },
            testing::listener("[2001:db8::1]:5060"),
            testing::listener("192.0.2.1:5070"),
        ],
        tenants: vec![testing::tenant(1, testing::REALM), testing::tenant(2, "other.example")],
        organizations: vec![testing::organization(2, Some(1)), testing::organization(1, None)],
        accounts: vec![testing::account(1, Some(1)), testing::account(9, None)],
        subscribers: vec![testing::subscriber(1, "1001"), testing::subscriber(2, "1002")],
        trunks: vec![
            testing::egress_trunk(7, &["192.0.2.7:5060"]),
            testing::ingress_trunk(8, "192.0.2.8:5060", None),
        ],
        tariffs: vec![testing::tariff(1)],
        rates: vec![testing::rate(1, 1, "44", "0.01")],
        routes: vec![testing::route(1, "44", &[(7, 0, 1)])],
        destinations: vec![Destination {
            tenant: TenantId(1),
            prefix: testing::digits("44"),
            name: "United Kingdom".into(),
        }],
        emergencies: Vec::new(),
        ..Rows::default()
    }
}

/// What `break_it` makes of the rows, in words; `None` when they still fit.
fn check(break_it: impl Fn(&mut Rows), expect: &str) {
    let mut broken = rows();
    break_it(&mut broken);
    let got = World::build(broken).err().map(|error| error.to_string());
    assert_eq!(got.as_deref(), Some(expect));
}

#[test]
fn a_good_world() {
    let world = World::build(rows()).unwrap();
    assert_eq!(world.version(), 1);
    let one = TenantId(1);
    assert_eq!(world.subscriber_named(one, "1002").unwrap().id, SubscriberId(2));
    assert!(world.subscriber_named(TenantId(2), "1002").is_none(), "a wall between tenants");
    assert_eq!(world.tenant_of_host("DEMO.example").unwrap().id, one);
    assert!(world.tenant_of_realm("DEMO.example").is_none(), "a realm is compared exactly");
    let chain = world.chain(&testing::digits("442079"));
    assert_eq!(world.destination(one, &chain).unwrap().name, "United Kingdom");
    assert!(world.destination(TenantId(2), &chain).is_none());
}

/// The one asked on if it fits, else the first that does, by transport and family.
#[test]
fn the_listener_fits_the_target() {
    let world = World::build(rows()).unwrap();
    let (v4, v6, mapped) = ("192.0.2.9:5060", "[2001:db8::9]:5060", "[::ffff:192.0.2.9]:5060");
    let (udp, tcp) = (Transport::Udp, Transport::Tcp);
    for (asked, transport, target, listener) in [
        (0, udp, v4, Some(0)),
        (3, udp, v4, Some(3)),
        (2, udp, v4, Some(0)),
        (1, udp, v4, Some(0)),
        (200, udp, v4, Some(0)),
        (0, tcp, v4, Some(1)),
        (0, udp, v6, Some(2)),
        (2, udp, v6, Some(2)),
        (2, udp, mapped, Some(0)),
        (1, tcp, v6, None),
        (0, Transport::Tls, v4, None),
    ] {
        let found = world.listener(asked, transport, target.parse().unwrap());
        assert_eq!(found, listener, "{asked} {transport:?} {target}");
    }
}

#[test]
fn errors_name_the_row() {
    check(|r| r.accounts[0].tariff = Some(TariffId(5)), "account 1: tariff 5 does not exist");
    check(|r| r.subscribers[1].account = AccountId(3), "subscriber 2: account 3 does not exist");
    check(|r| r.subscribers[1].tenant = TenantId(2), {
        "subscriber 2: account 1 belongs to another tenant"
    });
    check(|r| r.subscribers[1].username = "1001".into(), {
        "subscriber 2: its username is taken by subscriber 1"
    });
    check(
        |r| r.subscribers.iter_mut().for_each(|s| s.numbers = vec![testing::digits("442")]),
        "subscriber 2: its numbers is taken by subscriber 1",
    );
    check(
        |r| r.subscribers.iter_mut().for_each(|s| s.short = Some(testing::digits("11"))),
        "subscriber 2: its short is taken by subscriber 1",
    );
    check(|r| r.subscribers[0].contacts_max = 0, {
        "subscriber 1: its contacts_max is out of range"
    });
    check(|r| r.subscribers[0].expires_s_min = 3601, {
        "subscriber 1: its expires_s_min is out of range"
    });
    check(|r| r.tenants[1].realm = testing::REALM.into(), {
        "tenant 2: its realm is taken by tenant 1"
    });
    check(|r| r.tenants[1].domains = vec!["Demo.Example".into()], {
        "tenant 2: its domains is taken by tenant 1"
    });
    check(|r| r.organizations[1].parent = Some(OrganizationId(2)), {
        "organization 2: its parents form a ring or are too many"
    });
    check(|r| r.rates[0].step_s = 0, {
        "rate 1: the billing step is zero or a duration of the rate is too long"
    });
    check(|r| r.rates[0].tariff = TariffId(3), "rate 1: tariff 3 does not exist");
    check(|r| r.rates[0].until_us = Some(0), "rate 1: its until_us is out of range");
    check(|r| r.tariffs[0].kind = TariffKind::Supplier, {
        "account 1: its tariff does not fit tariff 1"
    });
    check(|r| r.routes[0].targets[0].trunk = TrunkId(70), "route 1: trunk 70 does not exist");
    check(|r| r.trunks[0].id = TrunkId(1 << 40), "trunk 1099511627776: its id is out of range");
    check(|r| r.trunks.push(testing::ingress_trunk(6, "192.0.2.8:5060", None)), {
        "trunk 6: its sources is taken by trunk 8"
    });
    check(
        |r| {
            let number = testing::digits("112");
            r.emergencies.push(Emergency { tenant: TenantId(1), number, trunks: Vec::new() });
        },
        "emergency number 112 of tenant 1: its trunks is out of range",
    );
    check(
        |r| {
            let list = &mut r.trunks[0].egress.as_mut().unwrap().called.remove;
            *list = vec!["0".into(); 17];
        },
        "trunk 7: its called has more than 16 entries",
    );
}

#[test]
fn a_change_shares_what_it_does_not_touch() {
    let old = World::build(rows()).unwrap();
    let mut row = testing::subscriber(2, "1003");
    row.numbers = vec![testing::digits("4420")];
    let new = old.changed(Change::Subscriber(Box::new(row))).unwrap();
    let one = TenantId(1);
    assert_eq!(new.version(), 2);
    assert!(new.subscriber_named(one, "1002").is_none(), "the old name is free");
    assert_eq!(new.subscriber_named(one, "1003").unwrap().id, SubscriberId(2));
    assert_eq!(
        new.numbered(one, testing::digits("4420")),
        Some(Holder::Subscriber(SubscriberId(2)))
    );
    assert_eq!(old.subscriber_named(one, "1002").unwrap().id, SubscriberId(2));
    assert!(Arc::ptr_eq(&old.accounts, &new.accounts));
    assert!(Arc::ptr_eq(&old.dictionary, &new.dictionary));
    assert!(Arc::ptr_eq(&old.tariffs, &new.tariffs));
    assert!(!Arc::ptr_eq(&old.subscribers, &new.subscribers));
}

#[test]
fn a_bad_change_is_refused() {
    let world = World::build(rows()).unwrap();
    let row = testing::account(1, Some(4));
    let error = world.changed(Change::Account(row)).unwrap_err();
    assert_eq!(error.to_string(), "account 1: tariff 4 does not exist");
    let other = Change::Routes(TenantId(2), vec![testing::route(1, "44", &[(7, 0, 1)])]);
    let error = world.changed(other).unwrap_err();
    assert_eq!(error.to_string(), "route 1: tenant 2 belongs to another tenant");
}

#[test]
fn tariffs_and_routes_change_as_lists() {
    let world = World::build(rows()).unwrap();
    let one = TenantId(1);
    let rates = vec![testing::rate(2, 1, "447", "0.02"), testing::rate(3, 1, "1", "0.03")];
    let next = world.changed(Change::Tariff(testing::tariff(1), rates)).unwrap();
    let find = |world: &World, number: &str| {
        let deck = world.tariff(TariffId(1)).unwrap();
        deck.find(&world.chain(&testing::digits(number)), 1, world.dictionary()).map(|r| r.id)
    };
    assert_eq!(find(&next, "4479"), Some(RateId(2)));
    assert_eq!(find(&next, "4420"), None, "the whole list is replaced");
    assert_eq!(find(&next, "1212"), Some(RateId(3)));
    assert_eq!(find(&world, "4479"), Some(RateId(1)), "the old world stays");
    let routes = vec![testing::route(5, "", &[(7, 0, 1)]), testing::route(6, "1", &[(7, 0, 1)])];
    let next = next.changed(Change::Routes(one, routes)).unwrap();
    let chain = next.chain(&testing::digits("1212"));
    let ids: Vec<RouteId> = next.routes(one, &chain).iter().map(|r| r.id).collect();
    assert_eq!(ids, [RouteId(6), RouteId(5)]);
}

#[test]
fn removed_rows_are_gone_from_every_index() {
    let mut world = World::build(rows()).unwrap();
    for row in [
        RowName::Subscriber(SubscriberId(1)),
        RowName::Trunk(TrunkId(8)),
        RowName::Account(AccountId(9)),
        RowName::Tariff(TariffId(1)),
        RowName::Tenant(TenantId(2)),
        RowName::Subscriber(SubscriberId(99)),
    ] {
        world = world.changed(Change::Remove(row)).unwrap();
    }
    assert!(world.subscriber_named(TenantId(1), "1001").is_none());
    assert!(world.trunk(TrunkId(8)).is_none());
    assert!(world.sources.is_empty());
    assert!(world.account(AccountId(9)).is_none());
    assert!(world.tariff(TariffId(1)).is_none());
    assert!(world.tenant_of_realm("other.example").is_none());
}

#[test]
fn a_tech_prefix_picks_among_trunks_of_one_source() {
    let mut rows = rows();
    rows.trunks.push(testing::ingress_trunk(5, "192.0.2.8:5060", Some("123")));
    rows.trunks.push(testing::ingress_trunk(6, "192.0.2.8:5060", Some("1234")));
    let world = World::build(rows).unwrap();
    let sender = |named: i64, source: &str, called: &str| {
        let trunk = world.sending_trunk(TrunkId(named), source.parse().unwrap(), called);
        trunk.map(|t| t.id.0)
    };
    for named in [5, 6, 8] {
        assert_eq!(sender(named, "192.0.2.8:5060", "12344420"), Some(6));
        assert_eq!(sender(named, "192.0.2.8:5060", "1234"), Some(6));
        assert_eq!(sender(named, "192.0.2.8:5060", "1239"), Some(5));
        assert_eq!(sender(named, "192.0.2.8:5060", "4420"), Some(8));
        assert_eq!(sender(named, "192.0.2.9:5060", "4420"), None);
    }
    assert_eq!(sender(7, "192.0.2.8:5060", "4420"), None, "a trunk without ingress");
}

#[test]
fn a_world_built_anew_keeps_the_price_lists_that_have_not_changed() {
    let old = World::build(rows()).unwrap();
    let kept = std::collections::BTreeSet::from([TariffId(1)]);
    let mut newer = Rows { rates: Vec::new(), ..rows() };
    newer.routes.push(testing::route(2, "4917", &[(7, 0, 1)]));
    let world = old.rebuilt(newer.clone(), &kept).unwrap();
    assert_eq!(world.version(), 2);
    let price = |world: &World, number: &str| {
        let chain = world.chain(&testing::digits(number));
        let found = world.tariff(TariffId(1)).unwrap().find(&chain, 0, world.dictionary());
        found.map(|rate| rate.id)
    };
    assert_eq!(price(&world, "4420"), Some(RateId(1)));
    assert_eq!(price(&world, "4917"), None);
    assert_eq!(world.routes(TenantId(1), &world.chain(&testing::digits("4917"))).len(), 1);
    // A list that is not the same any more, or not there, is not kept.
    newer.tariffs[0].vat_ppm = 1;
    assert!(old.rebuilt(newer, &kept).is_err());
    let unknown = std::collections::BTreeSet::from([TariffId(9)]);
    assert!(old.rebuilt(rows(), &unknown).is_err());
}
