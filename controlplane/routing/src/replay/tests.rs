use super::*;
use crate::testing;
use crate::world::{Change, Rows};
use strowger_model::{
    Amount, CdrCalled, CdrCaller, CdrId, CdrOutcome, CdrTimes, Rate, RouteOrder, TariffId,
    TariffKind, TenantId,
};

/// Trunk 5 sends; trunk 6 takes 0.02 a minute and trunk 7 0.03; account 1 pays 0.05.
fn rows() -> Rows {
    let mut trunks = vec![testing::ingress_trunk(5, "192.0.2.5:5060", None)];
    for (id, tariff) in [(6, 2), (7, 3)] {
        let mut trunk = testing::egress_trunk(id, &[&format!("198.51.100.{id}:5060")]);
        trunk.egress.as_mut().unwrap().tariff = Some(TariffId(tariff));
        trunks.push(trunk);
    }
    let supplier =
        |id| strowger_model::Tariff { kind: TariffKind::Supplier, ..testing::tariff(id) };
    let route = testing::route(1, "44", &[(6, 0, 1), (7, 0, 1)]);
    Rows {
        listeners: vec![testing::listener("192.0.2.1:5060")],
        tenants: vec![testing::tenant(1, testing::REALM)],
        organizations: vec![testing::organization(1, None)],
        accounts: vec![testing::account(1, Some(1)), testing::account(9, None)],
        trunks,
        tariffs: vec![testing::tariff(1), supplier(2), supplier(3)],
        rates: vec![
            testing::rate(1, 1, "44", "0.05"),
            testing::rate(2, 2, "44", "0.02"),
            testing::rate(3, 3, "44", "0.03"),
        ],
        routes: vec![strowger_model::Route { order: Some(RouteOrder::Price), ..route }],
        ..Rows::default()
    }
}

/// A minute to 447700900123 by trunk 6, as recorded.
fn record(id: i64, answered: bool) -> Cdr {
    let started_us = 1_700_000_000_000_000 + id;
    Cdr {
        id: CdrId(id),
        part: 0,
        tenant: Some(TenantId(1)),
        ask: id.unsigned_abs(),
        snapshot: 1,
        times: CdrTimes {
            started_us,
            answered_us: answered.then_some(started_us),
            ended_us: started_us + 60_000_000,
            talk_ms: 60_000,
            billable_ms: 60_000,
            ..CdrTimes::default()
        },
        caller: CdrCaller {
            trunk: Some(TrunkId(5)),
            source: Some("192.0.2.5:5060".parse().unwrap()),
            from_user: "4930123".to_owned(),
            ..CdrCaller::default()
        },
        called: CdrCalled {
            received: "447700900123".to_owned(),
            normalised: Digits::parse("447700900123").ok(),
            destination: Digits::parse("44").ok(),
            trunk: Some(TrunkId(6)),
            ..CdrCalled::default()
        },
        outcome: CdrOutcome { party: 2, reason: 0, sip: 200, q850: 16 },
        caller_media: None,
        called_media: None,
        customer: None,
        levels: Vec::new(),
        supplier: None,
        commissions: Vec::new(),
        packet: None,
        hops: Vec::new(),
        hops_dropped: 0,
        facts_dropped: 0,
        unpriced: false,
    }
}

fn replayed(change: impl FnOnce(&World) -> World, records: &[Cdr]) -> Replayed {
    let now = World::build(rows()).unwrap();
    let changed = change(&now);
    let mut replay = Replay::new([Arc::new(now), Arc::new(changed)]);
    records.iter().for_each(|record| replay.take(record));
    replay.found
}

/// Without fractions of a cent at the ledger's scale of 1e-8.
fn euros(sums: &Sums) -> (i64, i64) {
    sums.get(&testing::eur()).map_or((0, 0), |sides| (sides.customer, sides.supplier))
}

#[test]
fn a_dearer_deck_moves_calls_and_costs_what_it_costs() {
    let dearer = |world: &World| {
        let tariff = strowger_model::Tariff { kind: TariffKind::Supplier, ..testing::tariff(2) };
        let rates: Vec<Rate> = vec![testing::rate(4, 2, "44", "0.04")];
        world.changed(Change::Tariff(tariff, rates)).unwrap()
    };
    let records = [record(1, true), record(2, true), record(3, false)];
    let replay = replayed(dearer, &records);
    assert_eq!((replay.total.calls, replay.total.moved, replay.unknown), (3, 3, 0));
    assert_eq!(replay.total.billable_ms, 120_000);
    let cents = 1_000_000;
    assert_eq!(euros(&replay.total.decided[0]), (10 * cents, 4 * cents));
    assert_eq!(euros(&replay.total.decided[1]), (10 * cents, 6 * cents), "by trunk 7 now");
    let moves: Vec<_> = replay.moves.iter().collect();
    let pair = (Way::Trunk(TrunkId(6)), Way::Trunk(TrunkId(7)));
    assert_eq!(moves, [(&pair, &3)]);
    let line = &replay.lines[&Digits::parse("44").unwrap()];
    assert_eq!(*line, replay.total);
}

#[test]
fn a_trunk_that_is_gone_refuses_and_what_is_recorded_stands_beside() {
    let off = |world: &World| {
        let gone = testing::route(1, "49", &[(6, 0, 1)]);
        world.changed(Change::Routes(TenantId(1), vec![gone])).unwrap()
    };
    let mut paid = record(1, true);
    let eur = testing::eur();
    paid.customer = Some(strowger_model::Charge {
        account: strowger_model::AccountId(1),
        organization: strowger_model::OrganizationId(1),
        payee: None,
        kind: strowger_model::ChargeKind::Customer,
        prepaid: true,
        currency: eur,
        net: Amount(77),
        vat_ppm: 0,
        gross: Amount(77),
        charged_ms: 1,
        free_ms: 0,
        allowance: None,
        step_ms: 1_000,
        unit_price: strowger_model::Price(1),
        price_currency: eur,
        tariff: None,
        rate: None,
    });
    let replay = replayed(off, &[paid]);
    assert_eq!(replay.total.refused, [0, 1]);
    assert_eq!(euros(&replay.total.recorded), (77, 0));
    assert_eq!(euros(&replay.total.decided[1]), (0, 0));
    assert!(replay.moves.contains_key(&(Way::Trunk(TrunkId(6)), Way::Refused)));
}

#[test]
fn the_same_world_decides_the_same_and_strangers_are_told() {
    let mut stranger = record(2, true);
    stranger.caller.trunk = Some(TrunkId(77));
    let mut nobody = record(3, true);
    nobody.caller.trunk = None;
    let replay = replayed(World::clone, &[record(1, true), stranger, nobody]);
    assert_eq!((replay.total.calls, replay.total.moved, replay.unknown), (1, 0, 2));
    assert_eq!(replay.total.decided[0], replay.total.decided[1]);
    assert!(replay.moves.is_empty());
}
