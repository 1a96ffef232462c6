//! What suppliers bid together is what each takes when it is looked at by itself.

use super::*;
use strowger_model::{Discount, Rate, RouteOrder, TariffId};

/// What may keep a supplier from being a bidder, or its number from a line.
const ODD: u8 = 12;

#[derive(Clone, Debug)]
struct Supplier {
    /// Prefix, price, digits at least, whether in force, step.
    lines: Vec<(String, i64, u8, bool, u32)>,
    odd: u8,
    reduction_bp: u16,
    priority: i32,
    weight: u16,
    preference: u16,
    with_tax: bool,
}

fn supplier() -> impl Strategy<Value = Supplier> {
    let steps = prop::sample::select(vec![1u32, 6, 60]);
    let line = ("44[01]{0,3}", 1i64..20, 0u8..8, prop::bool::weighted(0.8), steps);
    let lines = prop::collection::vec(line, 0..6);
    let rest = (0u8..ODD * 8, 0u16..3, 0i32..3, 0u16..3, 499u16..502, any::<bool>());
    (lines, rest).prop_map(|(lines, (odd, tenths, priority, weight, preference, with_tax))| {
        let (reduction_bp, priority) = (tenths * 1_000, priority * 60);
        Supplier { lines, odd, reduction_bp, priority, weight, preference, with_tax }
    })
}

fn add(rows: &mut Rows, id: i64, supplier: &Supplier) {
    let mut account = testing::account(id, None);
    account.reduction_bp = supplier.reduction_bp;
    let kind = TariffKind::Supplier;
    let mut tariff = strowger_model::Tariff { kind, ..testing::tariff(id) };
    (tariff.vat_ppm, tariff.vat_included) = (190_000, supplier.with_tax);
    let mut trunk = testing::egress_trunk(id, &[&format!("192.0.2.{id}:5060")]);
    let egress = trunk.egress.as_mut().unwrap();
    (egress.account, egress.tariff) = (AccountId(id), Some(TariffId(id)));
    egress.q = supplier.preference;
    match supplier.odd {
        0 => trunk.enabled = false,
        1 => egress.barring.blocked = vec![testing::digits("440")],
        2 => egress.test_only = true,
        3 => {
            let absolute = 3;
            egress.precedence = Some(strowger_model::Precedence { absolute, ..Default::default() });
        }
        4 => account.discounts = vec![Discount { prefix: testing::digits("441"), share_bp: 5_000 }],
        5 => egress.tariff = None,
        6 => egress.partners = vec![strowger_model::OrganizationId(2)],
        _ => {}
    }
    for (at, (prefix, price, digits_min, in_force, step_s)) in (1..).zip(&supplier.lines) {
        rows.rates.push(Rate {
            price: Price(price * 1_000_000),
            digits_min: *digits_min,
            from_us: if *in_force { 0 } else { i64::MAX },
            step_s: *step_s,
            ..testing::rate(id * 100 + at, id, prefix, "0")
        });
    }
    rows.accounts.push(account);
    rows.tariffs.push(tariff);
    rows.trunks.push(trunk);
}

fn rows_of(suppliers: &[Supplier]) -> Rows {
    let mut rows = rows();
    (20..).zip(suppliers).for_each(|(id, supplier)| add(&mut rows, id, supplier));
    let targets: Vec<(i64, i32, u16)> =
        (20..).zip(suppliers).map(|(id, s)| (id, s.priority, s.weight)).collect();
    let order = Some(RouteOrder::Price);
    rows.routes = vec![strowger_model::Route { order, ..testing::route(1, "44", &targets) }];
    rows
}

/// The same call with and without a word for each target, which has each looked at by itself.
fn both(switch: &mut Switch, line: &str) -> [Decision; 2] {
    switch.prepare(line);
    [false, true].map(|explain| {
        let facts = Facts { explain, ..Facts::default() };
        decide(&switch.world, &switch.locations, &switch.ask, &facts, Tick(0), WALL)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn together_they_bid_what_each_takes(
        suppliers in prop::collection::vec(supplier(), 1..9),
        numbers in prop::collection::vec("44[01]{2,4}", 1..4),
    ) {
        let mut switch = Switch::new(rows_of(&suppliers));
        let route = switch.world.routes_of(TenantId(1)).next().unwrap();
        // What takes nothing is no bidder, and neither is what is open to some only.
        let are_bidders = suppliers.iter().all(|supplier| supplier.odd > 6);
        prop_assert_eq!(switch.world.suppliers(route).bidders().is_some(), are_bidders);
        for number in &numbers {
            let [together, each] = both(&mut switch, &format!("trunk 8 dials {number}"));
            prop_assert_eq!(&together.verdict, &each.verdict);
            prop_assert_eq!(&together.trace, &each.trace);
            prop_assert_eq!(&together.sent, &each.sent);
            prop_assert!(together.places.is_empty());
        }
    }
}

#[test]
fn who_is_asked_more_than_a_price_is_looked_at_by_itself() {
    let plain = Supplier {
        lines: vec![("44".to_owned(), 5, 0, true, 1)],
        odd: ODD,
        reduction_bp: 0,
        priority: 0,
        weight: 1,
        preference: 500,
        with_tax: false,
    };
    let cheap = Supplier { lines: vec![("44".to_owned(), 4, 0, true, 1)], ..plain.clone() };
    let order = |change: &dyn Fn(&mut Rows), standing: Standing| {
        let mut rows = rows_of(&[plain.clone(), cheap.clone()]);
        change(&mut rows);
        let mut switch = Switch::new(rows);
        switch.standing = Arc::new(standing);
        words(&switch.decide("trunk 8 dials 4411"))
    };
    let cheap_first = order(&|_| {}, Standing::default());
    assert!(cheap_first.starts_with("4411 to trunk 21"), "{cheap_first}");
    // What failed stands behind.
    let mut failed = Standing::default();
    let direction = crate::standing::Direction::of(&testing::digits("4411"));
    let (talk_ms, is_fault) = (None, true);
    let end = crate::standing::Ended { trunk: TrunkId(21), direction, talk_ms, is_fault };
    for _ in 0..5 {
        let set = strowger_model::RouteSettings { failures_max: 5, ..Default::default() };
        failed.ended(&end, &set, WALL);
    }
    let other_first = order(&|_| {}, failed);
    assert!(other_first.starts_with("4411 to trunk 20"), "{other_first}");
    // Who sends a call does not get it back, unless that is set.
    let sends = |rows: &mut Rows| {
        let sender = rows.trunks.iter_mut().find(|trunk| trunk.id == TrunkId(8)).unwrap();
        let ingress = sender.ingress.take();
        rows.trunks.retain(|trunk| trunk.id != TrunkId(8));
        let trunk = rows.trunks.iter_mut().find(|trunk| trunk.id == TrunkId(21)).unwrap();
        trunk.id = TrunkId(8);
        trunk.ingress = ingress;
        rows.routes[0].targets[1].trunk = TrunkId(8);
    };
    let not_back = order(&sends, Standing::default());
    assert!(!not_back.contains("trunk 8"), "{not_back}");
    // An account that may use the trunks of its partners alone.
    let alone = |rows: &mut Rows| {
        rows.accounts[0].partners = vec![strowger_model::OrganizationId(2)];
    };
    assert_eq!(order(&alone, Standing::default()), "404 NoRoute cause 3");
}
