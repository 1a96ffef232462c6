//! In which order the trunks of a route are called, and which are not.

use super::*;
use crate::standing::{Direction, Ended, Standing};
use strowger_model::{OrganizationId, RouteOrder, RouteSettings};

/// Trunk 6 takes 0.03 a minute by the second for 447, trunk 7 0.02 by the minute; both at one
/// priority, trunk 7 with weight 0.
pub(super) fn two_prices(mut rows: Rows, order: Option<RouteOrder>) -> Rows {
    let supplier = strowger_model::Tariff { kind: TariffKind::Supplier, ..testing::tariff(3) };
    rows.tariffs.push(supplier);
    let by_minute =
        strowger_model::Rate { step_s: 60, minimum_s: 60, ..testing::rate(5, 3, "447", "0.02") };
    rows.rates.push(by_minute);
    if let Some(egress) = &mut rows.trunks[0].egress {
        egress.tariff = Some(strowger_model::TariffId(3));
    }
    let route = testing::route(1, "44", &[(6, 0, 1), (7, 0, 0)]);
    rows.routes = vec![strowger_model::Route { order, ..route }];
    rows
}

/// Trunk 7 takes more than account 1 pays.
pub(super) fn one_loss(rows: Rows) -> Rows {
    let mut rows = two_prices(rows, None);
    for rate in rows.rates.iter_mut().filter(|rate| rate.id.0 == 5) {
        rate.price = Price(60_000_000);
    }
    rows.routes = vec![testing::route(1, "44", &[(7, 0, 1)])];
    rows
}

/// Nothing is known of anybody.
pub(super) fn well() -> Standing {
    Standing::default()
}

fn ended(standing: &mut Standing, trunk: i64, called: &str, talk_ms: Option<u64>, times: u32) {
    let direction = Direction::of(&testing::digits(called));
    let end = Ended { trunk: TrunkId(trunk), direction, talk_ms, is_fault: talk_ms.is_none() };
    for _ in 0..times {
        standing.ended(&end, &RouteSettings { failures_max: 5, ..RouteSettings::default() }, WALL);
    }
}

/// Calls of trunk 6 are answered and long, those of trunk 7 are neither, though it is reached.
pub(super) fn six_is_good() -> Standing {
    let mut standing = Standing::default();
    ended(&mut standing, 6, "447", Some(300_000), 10);
    for (trunk, probes) in [(6, true), (7, true)] {
        let direction = Direction::of(&testing::digits("447"));
        for _ in 0..3 {
            standing.sent(TrunkId(trunk), direction, probes, WALL);
        }
    }
    ended(&mut standing, 7, "447", Some(1_000), 1);
    ended(&mut standing, 7, "447", None, 4);
    ended(&mut standing, 7, "447", Some(1_000), 1);
    standing
}

/// The same, but trunk 7 is as good as the middle: half of its calls, of 100 seconds.
pub(super) fn seven_is_middling() -> Standing {
    let mut standing = Standing::default();
    ended(&mut standing, 6, "447", Some(300_000), 10);
    for talk_ms in [Some(100_000), None, Some(100_000)] {
        ended(&mut standing, 7, "447", talk_ms, if talk_ms.is_some() { 2 } else { 4 });
    }
    standing
}

/// Trunk 6 had a call a moment ago.
pub(super) fn six_talked() -> Standing {
    let mut standing = Standing::default();
    ended(&mut standing, 6, "447", Some(60_000), 1);
    standing
}

/// Trunk 6 failed five calls.
pub(super) fn six_fails() -> Standing {
    let mut standing = Standing::default();
    ended(&mut standing, 6, "447", None, 5);
    standing
}

/// 1001 talked with 447 by trunk 6, and not for long.
pub(super) fn six_talked_shortly() -> Standing {
    let mut standing = Standing::default();
    let pair = (AccountId(1), testing::digits("442071001"), testing::digits("447"));
    standing.talked_shortly(pair, TrunkId(6), WALL - 1);
    standing
}

/// The trunks of a plan in order.
fn trunks(switch: &mut Switch, line: &str) -> Vec<i64> {
    let branches = switch.go(line).stages.into_iter().flat_map(|stage| stage.branches);
    let trunk = |branch: Branch| match branch.party {
        PartyRef::Trunk(id) => Some(id),
        PartyRef::Unknown | PartyRef::Subscriber(_) => None,
    };
    let mut all: Vec<i64> = branches.filter_map(trunk).collect();
    all.dedup();
    all
}

fn steps(decision: &Decision) -> Vec<Step> {
    decision.trace.steps().collect()
}

#[test]
fn who_failed_stands_behind_and_is_called_all_the_same() {
    let mut switch = Switch::new(two_prices(rows(), None));
    assert_eq!(trunks(&mut switch, "1001 dials 447"), [6, 7]);
    switch.standing = Arc::new(six_fails());
    assert_eq!(trunks(&mut switch, "1001 dials 447"), [7, 6]);
    let decision = switch.decide("1001 dials 447");
    assert!(steps(&decision).contains(&Step::HopFailed { trunk: 6 }));
    assert_eq!(decision.sent.map(|sent| sent.trunk), Some(TrunkId(7)));
    // The only trunk is called however it failed.
    let mut rows = two_prices(rows(), None);
    rows.routes = vec![testing::route(1, "44", &[(6, 0, 1)])];
    let mut switch = Switch::new(rows);
    switch.standing = Arc::new(six_fails());
    assert_eq!(trunks(&mut switch, "1001 dials 447"), [6]);
}

/// Spec FAIL-03.
#[test]
fn who_tries_again_goes_by_another_trunk_within_its_tier() {
    let row = |value: &str| {
        let row = super::setting::setting_row(
            "route.second_try_ms",
            value,
            strowger_model::Depth::Account,
            1,
        );
        vec![row]
    };
    let order = |change: &dyn Fn(&mut Rows), standing: Standing| {
        let mut rows = two_prices(rows(), None);
        rows.settings = row("25000");
        change(&mut rows);
        let mut switch = Switch::new(rows);
        switch.standing = Arc::new(standing);
        let tried = steps(&switch.decide("1001 dials 447"));
        (trunks(&mut switch, "1001 dials 447"), tried.contains(&Step::SecondTry { trunk: 6 }))
    };
    assert_eq!(order(&|_| {}, well()), (vec![6, 7], false));
    assert_eq!(order(&|_| {}, six_talked_shortly()), (vec![7, 6], true));
    assert_eq!(order(&|rows| rows.settings.clear(), six_talked_shortly()), (vec![6, 7], false));
    // What failed stands behind all the same, and another tier too.
    let both = |rows: &mut Rows| {
        rows.routes = vec![testing::route(1, "44", &[(6, 100, 1), (7, 0, 1)])];
    };
    assert_eq!(order(&both, six_talked_shortly()), (vec![6, 7], true));
    let mut seven_fails = six_talked_shortly();
    ended(&mut seven_fails, 7, "447", None, 5);
    assert_eq!(order(&|_| {}, seven_fails), (vec![6, 7], true));
    // Another caller, and the only trunk.
    let other = |rows: &mut Rows| rows.subscribers[0].numbers = vec![testing::digits("442071009")];
    assert_eq!(order(&other, six_talked_shortly()), (vec![6, 7], false));
    let only = |rows: &mut Rows| rows.routes = vec![testing::route(1, "44", &[(6, 0, 1)])];
    assert_eq!(order(&only, six_talked_shortly()), (vec![6], true));
}

#[test]
fn nothing_is_sold_below_what_it_costs() {
    let mut rows = one_loss(rows());
    rows.routes = vec![testing::route(1, "44", &[(7, 0, 1), (6, 0, 0)])];
    let mut switch = Switch::new(rows);
    assert_eq!(trunks(&mut switch, "1001 dials 447"), [6]);
    let decision = switch.decide("1001 dials 447");
    assert!(steps(&decision).contains(&Step::HopLoss { trunk: 7 }));
    // A trunk of ours that takes nothing makes no loss, nor a price that is the same.
    let mut rows = one_loss(super::rows());
    for rate in rows.rates.iter_mut().filter(|rate| rate.id.0 == 5) {
        (rate.price, rate.step_s, rate.minimum_s) = (Price(50_000_000), 1, 0);
    }
    assert_eq!(trunks(&mut Switch::new(rows), "1001 dials 447"), [7]);
}

#[test]
fn rotation_calls_the_one_called_longest_ago() {
    let mut switch = Switch::new(two_prices(rows(), Some(RouteOrder::Rotation)));
    let mut first = Vec::new();
    for _ in 0..4 {
        let decision = switch.decide("1001 dials 447");
        let sent = decision.sent.unwrap();
        let standing = Arc::make_mut(&mut switch.standing);
        standing.sent(sent.trunk, sent.direction, sent.probes, WALL);
        first.push(sent.trunk.0);
    }
    assert_eq!(first, [6, 7, 6, 7]);
}

#[test]
fn routes_are_for_some_callers_only() {
    let by = |change: fn(&mut strowger_model::Route)| {
        let mut rows = two_prices(rows(), None);
        let mut special = testing::route(2, "447", &[(7, 0, 1)]);
        change(&mut special);
        rows.routes.push(special);
        trunks(&mut Switch::new(rows), "1001 dials 447")
    };
    assert_eq!(by(|_| {}), [7]);
    // 1001 calls from 442071001, of organization 1, which 2 is below.
    assert_eq!(by(|route| route.callers = vec![testing::digits("4420")]), [7]);
    assert_eq!(by(|route| route.callers = vec![testing::digits("4421")]), [6, 7]);
    assert_eq!(by(|route| route.organization = Some(OrganizationId(1))), [7]);
    assert_eq!(by(|route| route.organization = Some(OrganizationId(2))), [6, 7]);
    // Further prefixes are as good as the first, and the longest counts.
    let more = |route: &mut strowger_model::Route| {
        route.prefix = testing::digits("33");
        route.more_prefixes = vec![testing::digits("4"), testing::digits("447")];
    };
    assert_eq!(by(more), [7]);
}

#[test]
fn a_dry_run_tells_the_place_of_each_target() {
    let mut switch = Switch::new(two_prices(rows(), Some(RouteOrder::Quality)));
    switch.standing = Arc::new(six_is_good());
    let from = crate::Caller::Subscriber(SubscriberId(1));
    let run = crate::DryRun { from, called: "447".into(), caller: None, draw: 1, known: None };
    let Switch { world, locations, standing, .. } = &switch;
    let told = crate::dry_run(world, locations, (standing, &Arc::default()), &run, (Tick(0), WALL))
        .unwrap()
        .places;
    let [six, seven] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((six.trunk, seven.trunk), (TrunkId(6), TrunkId(7)));
    assert_eq!((six.asr_percent, six.acd_ms), (Some(100), Some(300_000)));
    assert_eq!((seven.asr_percent, seven.acd_ms), (Some(33), Some(1_000)));
    let amount = |text| strowger_model::Amount::parse(text, testing::eur()).ok();
    assert_eq!((Some(six.cost), Some(seven.cost)), (amount("0.0675"), amount("0.06")));
    assert!(six.rank > seven.rank, "{told:?}");
    assert!(!six.failed && !seven.failed);
    // Nobody asked: nothing is told.
    assert_eq!(switch.decide("1001 dials 447").places, []);
}
