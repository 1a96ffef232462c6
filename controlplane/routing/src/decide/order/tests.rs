use super::*;
use crate::prefix::Dictionary;
use crate::standing::{Counts, Standing};
use crate::tariff::{TariffDeck, Wanted};
use crate::testing;
use core::cmp::{Ordering, Reverse};
use proptest::prelude::*;
use strowger_model::{Commitment, Minutes, Price, Rate, Rounding, Tariff};

fn usual() -> RouteSettings {
    RouteSettings::default()
}

fn known(trunk: i64, priority: i32, weight: u16) -> Known {
    Known {
        target: RouteTarget { trunk: TrunkId(trunk), priority, weight },
        preference: 500,
        failed: (false, false),
        had: false,
        rests: false,
        agreed: Agreed::default(),
        cost: Some(1_000),
        figures: None,
        wants_probe: false,
        last_call: 0,
        first: First::default(),
        lines_free: 0,
    }
}

fn ids(all: &[Known], way: &Way<'_>) -> Vec<i64> {
    sorted(all.iter(), way).into_iter().map(|placed| all[placed.at].target.trunk.0).collect()
}

fn way<'a>(
    order: RouteOrder,
    set: &'a RouteSettings,
    seed: u64,
    standing: &'a Standing,
) -> Way<'a> {
    let view = standing.view(&testing::digits("44"), 0);
    Way { order, set, seed, route: RouteId(1), view, costs: [None; 2] }
}

fn order_of(all: &[Known], order: RouteOrder, set: &RouteSettings, seed: u64) -> Vec<i64> {
    ids(all, &way(order, set, seed, &Standing::default()))
}

/// What a trunk with a least of 10 minutes and 20 desired a day talked.
fn agreed(minutes: u64) -> Agreed {
    let day = Minutes { minutes_min: 10, minutes_desired: 20, minutes_max: 0 };
    let talked = Talked { day_ms: minutes * 60_000, month_ms: 0 };
    Agreed::of(Commitment { day, ..Commitment::default() }, talked).unwrap()
}

#[test]
fn minutes_stand_behind_priorities_and_before_prices() {
    let set = RouteSettings::default();
    let dear = |minutes| Known { agreed: agreed(minutes), cost: None, ..known(1, 0, 1) };
    let order = |first: Known, second: Known| {
        order_of(&[first, second], RouteOrder::Price, &set, 1) == [1, 2]
    };
    assert!(order(dear(9), known(2, 0, 1)), "owed");
    assert!(!order(dear(10), known(2, 0, 1)), "as usual: by price");
    assert!(!order(dear(9), known(2, 1, 1)), "a priority counts before");
    let cheap = |minutes| Known { agreed: agreed(minutes), cost: Some(0), ..known(1, 0, 1) };
    assert!(order(cheap(19), known(2, 0, 1)) && !order(cheap(20), known(2, 0, 1)), "sated");
    assert!(order(cheap(20), known(2, -1, 1)));
}

#[test]
fn who_shares_takes_turns_whatever_its_preference() {
    let set = RouteSettings::default();
    let all = [
        Known { preference: 900, ..known(1, 0, 1) },
        known(2, 0, 3),
        known(3, 0, 0),
        known(4, -1, 9),
    ];
    let mut standing = Standing::default();
    let mut firsts = Vec::new();
    for seed in 0..8 {
        let order = sorted(all.iter(), &way(RouteOrder::Share, &set, seed, &standing));
        let ids: Vec<i64> = order.iter().map(|placed| all[placed.at].target.trunk.0).collect();
        assert_eq!((ids[2], ids[3]), (3, 4), "{ids:?}");
        let turn = order[0].turn.clone().unwrap();
        assert_eq!((&order[1].turn, &order[2].turn), (&Some(Arc::clone(&turn)), &None));
        standing.took(&turn, TrunkId(ids[0]));
        firsts.push(ids[0]);
    }
    assert_eq!(firsts, [2, 1, 2, 2, 2, 1, 2, 2]);
}

#[test]
fn weights_are_shares() {
    let set = RouteSettings::default();
    let equals = [known(1, 0, 70), known(2, 0, 30), known(3, 0, 0)];
    let all = |seed| order_of(&equals, RouteOrder::Weight, &set, seed);
    let ones = (0..10_000).filter(|seed| all(*seed)[0] == 1).count();
    let twos = (0..10_000).filter(|seed| all(*seed)[0] == 2).count();
    assert!((6800..7200).contains(&ones), "{ones}");
    assert_eq!(ones + twos, 10_000, "weight 0 is never first");
    for seed in 0..100 {
        let mut order = all(seed);
        assert_eq!(order.last(), Some(&3));
        order.sort_unstable();
        assert_eq!(order, [1, 2, 3]);
    }
    let none = [known(5, 0, 0), known(4, 0, 0)];
    assert_eq!(order_of(&none, RouteOrder::Weight, &set, 9), [5, 4]);
}

/// What stands before what, one key after the other.
#[test]
fn each_key_decides_before_those_behind_it() {
    let set = RouteSettings::default();
    let base = || known(1, 0, 1);
    let first = Known { last_call: 9, ..base() };
    // From the least significant key on, each better than `first` by its own key and worse by all
    // before.
    let steps: [(RouteOrder, Known, Known); 7] = [
        (RouteOrder::Weight, known(1, 0, 0), known(2, 0, 1)),
        (RouteOrder::Price, first, Known { preference: 600, ..known(2, 0, 0) }),
        (
            RouteOrder::Price,
            Known { preference: 600, ..base() },
            Known { cost: Some(999), ..known(2, 0, 0) },
        ),
        (
            RouteOrder::Rotation,
            Known { cost: Some(1), last_call: 8, ..base() },
            Known { last_call: 7, ..known(2, 0, 0) },
        ),
        (RouteOrder::Price, Known { cost: Some(1), ..base() }, known(2, 1, 0)),
        (
            RouteOrder::Price,
            Known { failed: (false, true), ..known(1, 99, 1) },
            Known { cost: None, ..known(2, 0, 0) },
        ),
        (
            RouteOrder::Price,
            Known { failed: (true, false), ..known(1, 99, 1) },
            Known { failed: (false, true), ..known(2, 0, 1) },
        ),
    ];
    for (order, behind, before) in steps {
        let all = [behind, before];
        assert_eq!(order_of(&all, order, &set, 1), [2, 1], "{before:?} before {behind:?}");
    }
    // A tier stands before all, unless its trunks are not there.
    let failed = Known { failed: (true, true), cost: None, ..known(2, 100, 0) };
    assert_eq!(order_of(&[known(1, 99, 1), failed], RouteOrder::Price, &set, 1), [2, 1]);
    // Below zero tiers go on: -1 lies in the tier under that of 0.
    let all = [known(1, -1, 1), Known { failed: (true, true), ..known(2, 0, 1) }];
    assert_eq!(order_of(&all, RouteOrder::Weight, &set, 1), [2, 1]);
    // Without failover nobody sinks.
    let set = RouteSettings { failover: false, ..set };
    let all = [known(1, 0, 1), Known { failed: (true, true), ..known(2, 1, 1) }];
    assert_eq!(order_of(&all, RouteOrder::Weight, &set, 1), [2, 1]);
}

/// What a trunk is first for stands above priorities and failures, or within a priority.
#[test]
fn who_is_first_for_a_call_stands_before_priorities_or_within_one() {
    let set = RouteSettings::default();
    let none = First::default();
    let first = |first: First, priority| Known { first, ..known(1, priority, 0) };
    let stands =
        |own: Known, other: Known| order_of(&[other, own], RouteOrder::Price, &set, 1) == [1, 2];
    let tier = || known(2, 100, 1);
    assert!(stands(
        Known { failed: (true, true), ..first(First { absolute: 1, ..none }, 0) },
        tier()
    ));
    assert!(stands(
        Known { failed: (true, true), ..first(First { called: true, ..none }, 0) },
        tier()
    ));
    let called = Known { first: First { called: true, ..none }, ..known(2, 100, 1) };
    assert!(stands(first(First { absolute: 1, ..none }, 0), called), "absolute before called");
    let (caller, organization) =
        (First { caller: true, ..none }, First { organization: true, ..none });
    for within in [caller, organization] {
        assert!(stands(
            Known { cost: None, agreed: agreed(20), ..first(within, 0) },
            known(2, 0, 1)
        ));
        assert!(!stands(first(within, 0), known(2, 1, 1)), "a priority counts before");
        assert!(!stands(Known { failed: (false, true), ..first(within, 0) }, known(2, 0, 1)));
    }
    let own = Known { first: organization, ..known(2, 0, 1) };
    assert!(stands(first(caller, 0), own), "the caller before its organization");
    // Who had a call a moment ago stands behind all of its priority, and before the next one.
    let rests = Known { rests: true, ..known(2, 0, 1) };
    assert!(stands(first(none, 0), rests), "whatever its price");
    assert!(!stands(first(caller, -1), rests), "a priority counts before");
}

#[test]
fn free_lines_count_where_the_order_asks_for_them() {
    let set = RouteSettings::default();
    let all = [
        Known { lines_free: 3, ..known(1, 0, 1) },
        Known { lines_free: 7, cost: None, preference: 1, ..known(2, 0, 0) },
        Known { lines_free: u32::MAX, ..known(3, -1, 1) },
    ];
    assert_eq!(order_of(&all, RouteOrder::Lines, &set, 1), [2, 1, 3]);
    assert_eq!(order_of(&all, RouteOrder::Price, &set, 1), [1, 2, 3]);
}

/// The sample of spec BRS-03 as far as it can be reconstructed: quality 47, and 18 of price 66.
#[test]
fn quality_is_that_of_the_sample() {
    let counts = |asr: u32, acd_s: u64| Counts {
        calls: 100,
        answered: asr,
        talk_ms: u64::from(asr) * acd_s * 1_000,
    };
    let figures = Figures { day: counts(30, 100), month: counts(50, 200) };
    assert_eq!(auto_quality(&figures, &usual()), 47);
    assert_eq!(auto_priority(66, 47, 50, 30), 18);
    // Price alone, quality alone.
    assert_eq!(auto_priority(66, 47, 0, 100), 66);
    assert_eq!(auto_priority(66, 47, 100, 100), 47);
    // Beyond its bounds a figure is as good as them.
    let best = Figures { day: counts(90, 900), month: counts(71, 241) };
    assert_eq!(auto_quality(&best, &usual()), 100);
    let worst = Figures { day: counts(1, 1), month: counts(20, 35) };
    assert_eq!(auto_quality(&worst, &usual()), 0);
    // Bounds the wrong way round are all or nothing.
    assert_eq!((scaled(5, (9, 5)), scaled(4, (9, 5)), scaled(5, (5, 5))), (100, 0, 100));
}

#[test]
fn quality_beats_a_small_difference_of_price() {
    let set = RouteSettings::default();
    let of = |asr: u32| Counts { calls: 100, answered: asr, talk_ms: u64::from(asr) * 180_000 };
    let good = |trunk, cost, asr| Known {
        cost: Some(cost),
        figures: Some(Figures { day: of(asr), month: of(asr) }),
        ..known(trunk, 0, 1)
    };
    let all = [good(1, 900, 25), good(2, 1_000, 65), good(3, 4_000, 70)];
    assert_eq!(order_of(&all, RouteOrder::Price, &set, 1), [1, 2, 3]);
    assert_eq!(order_of(&all, RouteOrder::Quality, &set, 1), [2, 1, 3]);
    let price_alone = RouteSettings { quality_percent: 0, accuracy_percent: 100, ..set.clone() };
    assert_eq!(order_of(&all, RouteOrder::Quality, &price_alone, 1), [1, 2, 3]);
    let quality_alone = RouteSettings { quality_percent: 100, accuracy_percent: 100, ..set };
    assert_eq!(order_of(&all, RouteOrder::Quality, &quality_alone, 1), [3, 2, 1]);
}

/// Spec BRS-01: `minprice` and `maxprice`.
#[test]
fn prices_are_told_apart_between_bounds() {
    let set = RouteSettings { quality_percent: 0, accuracy_percent: 100, ..usual() };
    let standing = Standing::default();
    let rank = |cost, costs| {
        let way = Way { costs, ..way(RouteOrder::Quality, &set, 1, &standing) };
        quality(&Known { cost, ..known(1, 0, 1) }, 1_000, &way)
    };
    let open = [None; 2];
    assert_eq!([Some(0), Some(250), Some(1_000), None].map(|c| rank(c, open)), [100, 75, 0, 0]);
    let bounds = [Some(200), Some(600)];
    assert_eq!([100, 200, 300, 600, 900].map(|c| rank(Some(c), bounds)), [100, 100, 75, 0, 0]);
    assert_eq!(rank(Some(5), [Some(9), Some(3)]), 100, "no range, no difference");
}

#[test]
fn who_is_not_known_is_tried_now_and_then() {
    let set = RouteSettings::default();
    let all = [
        Known { cost: Some(1), ..known(1, 0, 1) },
        Known { cost: Some(900), wants_probe: true, ..known(2, 0, 1) },
    ];
    let first = |order, seed| order_of(&all, order, &set, seed)[0];
    let probed = (0..1_000).filter(|seed| first(RouteOrder::Quality, *seed) == 2).count();
    assert!((60..150).contains(&probed), "{probed}");
    assert!((0..1_000).all(|seed| first(RouteOrder::Price, seed) == 1));
    let standing = Standing::default();
    let told = |seed| sorted(all.iter(), &way(RouteOrder::Quality, &set, seed, &standing));
    assert!((0..1_000).all(|seed| told(seed)[0].probes == (told(seed)[0].at == 1)));
}

#[test]
fn costs_are_compared_finely_and_told_in_money() {
    let rate = testing::rate(1, 1, "44", "0.0123");
    let same = strowger_model::Exchange::same(testing::eur());
    let terms = |vat_ppm, vat_included| {
        let tariff = strowger_model::Tariff { vat_ppm, vat_included, ..testing::tariff(1) };
        Terms::of(&tariff, &rate, 0, same).unwrap()
    };
    let net = net_cost(&terms(0, false), 135_000);
    // 0.0123 a minute for 135 s.
    assert_eq!(amount(net, testing::eur()), Amount::parse("0.027675", testing::eur()).unwrap());
    assert_eq!(net_cost(&terms(190_000, false), 135_000), net);
    let less = net_cost(&terms(190_000, true), 135_000);
    let gross = less * 1_190_000 / 1_000_000;
    assert!((net - 2_000_000..=net).contains(&gross), "{gross} {net}");
    // A billionth a minute tells two prices apart.
    let dearer = testing::rate(1, 1, "44", "0.012300001");
    let dearer = Terms::of(&testing::tariff(1), &dearer, 0, same).unwrap();
    assert!(compared(net_cost(&dearer, 60_000)) > compared(net_cost(&terms(0, false), 60_000)));
    assert_eq!(compared(i128::MAX), COST_MAX);
}

/// The comparison key by key that the packed numbers stand for.
fn oracle(a: &Known, b: &Known, way: &Way<'_>, dearest: u64) -> Ordering {
    let tier = |known: &Known| known.target.priority.div_euclid(100);
    let failed =
        |known: &Known| (way.set.failover && known.failed.0, way.set.failover && known.failed.1);
    let cost = |known: &Known| known.cost.unwrap_or(COST_MAX);
    let asked = match way.order {
        RouteOrder::Weight | RouteOrder::Share => Ordering::Equal,
        RouteOrder::Price => cost(a).cmp(&cost(b)),
        RouteOrder::Rotation => a.last_call.cmp(&b.last_call),
        RouteOrder::Lines => b.lines_free.cmp(&a.lines_free),
        RouteOrder::Quality => {
            let rank = |known: &Known| Reverse(quality(known, dearest, way));
            let fine = |known: &Known| cost(known) >> QUALITY_BITS;
            rank(a).cmp(&rank(b)).then(fine(a).cmp(&fine(b)))
        }
    };
    // Keys 4 and 9, 10, 12, 13, 14, FAIL-03, 18, 19, 20, 21, 27 to 30, the order's own, 25, weight.
    b.first
        .absolute
        .cmp(&a.first.absolute)
        .then(b.first.called.cmp(&a.first.called))
        .then(tier(b).cmp(&tier(a)))
        .then(failed(a).0.cmp(&failed(b).0))
        .then(failed(a).1.cmp(&failed(b).1))
        .then(a.had.cmp(&b.had))
        .then(b.target.priority.cmp(&a.target.priority))
        .then(a.rests.cmp(&b.rests))
        .then(b.first.caller.cmp(&a.first.caller))
        .then(b.first.organization.cmp(&a.first.organization))
        .then(a.agreed.key().cmp(&b.agreed.key()))
        .then(asked)
        .then(match way.order {
            RouteOrder::Share => Ordering::Equal,
            RouteOrder::Weight
            | RouteOrder::Price
            | RouteOrder::Quality
            | RouteOrder::Rotation
            | RouteOrder::Lines => b.preference.cmp(&a.preference),
        })
        .then((a.target.weight == 0).cmp(&(b.target.weight == 0)))
}

fn any_known() -> impl Strategy<Value = Known> {
    let priorities = prop_oneof![-250i32..250, Just(i32::MIN), Just(i32::MAX)];
    let costs = prop::option::of(prop_oneof![0u64..2_000, Just(COST_MAX), 0..COST_MAX]);
    let counts = (0u32..100, 0u32..100, 0u64..400).prop_map(|(a, b, acd_s)| Counts {
        calls: a.max(b),
        answered: a.min(b),
        talk_ms: u64::from(a.min(b)) * acd_s * 1_000,
    });
    let figures = prop::option::of((counts.clone(), counts));
    let failed = (any::<bool>(), any::<bool>());
    let talk = prop_oneof![Just(None), (0u64..30).prop_map(Some)];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let absolute = prop_oneof![Just(0), 0u8..3, Just(u8::MAX)];
    let lines = prop_oneof![0u32..3, Just(u32::MAX)];
    let counted = (0u64..4, lines, talk);
    let first = (absolute, flags);
    (priorities, 0u16..3, 0u16..3, failed, first, costs, figures, counted).prop_map(
        |(priority, weight, preference, failed, first, cost, figures, counted)| {
            let (absolute, (had, rests, called, caller, organization)) = first;
            let (last_call, lines_free, talk) = counted;
            Known {
                target: RouteTarget { trunk: TrunkId(0), priority, weight },
                preference,
                failed,
                had,
                rests,
                agreed: talk.map(agreed).unwrap_or_default(),
                cost,
                figures: figures.map(|(day, month)| Figures { day, month }),
                wants_probe: false,
                last_call,
                first: First { absolute, called, caller, organization },
                lines_free,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The order is that of the comparison key by key; it has each target once, and is the same
    /// for the same seed.
    #[test]
    fn packed_keys_sort_as_the_comparison_does(
        all in prop::collection::vec(any_known(), 0..20),
        order in 0..RouteOrder::ALL.len(),
        seed in any::<u64>(),
        failover in any::<bool>(),
        quality_percent in 0u8..=100,
        accuracy_percent in 1u8..=100,
    ) {
        let set = RouteSettings { failover, quality_percent, accuracy_percent, ..usual() };
        let mut all = all;
        for (known, id) in all.iter_mut().zip(1..) {
            known.target.trunk = TrunkId(id);
        }
        let standing = Standing::default();
        let way = way(RouteOrder::ALL[order], &set, seed, &standing);
        let dearest = all.iter().filter_map(|known| known.cost).max().unwrap_or_default();
        let order = || sorted(all.iter(), &way).into_iter().map(|placed| placed.at);
        let (found, again): (Vec<usize>, Vec<usize>) = (order().collect(), order().collect());
        prop_assert_eq!(&found, &again);
        let mut each = found.clone();
        each.sort_unstable();
        prop_assert_eq!(each, (0..all.len()).collect::<Vec<_>>());
        for pair in found.windows(2) {
            let order = oracle(&all[pair[0]], &all[pair[1]], &way, dearest);
            prop_assert_ne!(order, Ordering::Greater, "{:?} {:?}", all[pair[0]], all[pair[1]]);
        }
    }
}

proptest! {
    #[test]
    fn a_line_costs_by_itself_what_its_terms_cost(
        (price, fee) in (-1i64..5_000_000_000, -1i64..100_000_000),
        (step_s, minimum_s, free_s, free_after_s) in (0u32..70, 0u32..90, 0u32..90, 0u32..300),
        (vat_ppm, vat_included) in (0u32..300_000, any::<bool>()),
        digits in 0u8..=11,
        discount in 0u16..=10_001,
        ms in 0u64..10_000_000,
    ) {
        let rate = Rate {
            price: Price(price),
            connection_fee: Amount(fee),
            step_s,
            minimum_s,
            free_s,
            free_after_s,
            ..testing::rate(1, 1, "44", "0.01")
        };
        let rounding = Rounding { digits, ..testing::tariff(1).rounding };
        let tariff = Tariff { vat_ppm, vat_included, rounding, ..testing::tariff(1) };
        let dictionary = Dictionary::default().extended([rate.prefix]).unwrap();
        let deck = TariffDeck::build(tariff.clone(), std::slice::from_ref(&rate), &dictionary);
        let number = testing::digits("4420");
        let wanted = Wanted { wall_us: 0, digits: number.len() };
        let found = deck.locate(&dictionary.chain(&number), wanted).unwrap();
        let terms = Terms::of(&tariff, &rate, discount, Exchange::same(tariff.currency));
        prop_assert_eq!(found.net_cost(discount, ms), terms.ok().map(|t| net_cost(&t, ms)));
    }
}

proptest! {
    #[test]
    fn places_are_sorted_by_rank_and_then_as_they_came(
        // A few dozen bits somewhere, or all of them; few values, so that some are equal.
        (low, width) in prop_oneof![(0u32..70, 1u32..58), Just((0, 128))],
        values in prop::collection::vec(prop_oneof![0u128..9, any::<u128>()], 0..64),
        base in any::<u128>(),
    ) {
        let mask = (u128::MAX >> (128 - width)) << low;
        let ranks: Vec<Rank> = values
            .iter()
            .map(|value| Rank(base & !mask | value.rotate_left(low) & mask))
            .collect();
        let mut expected: Vec<usize> = (0..ranks.len()).collect();
        expected.sort_by_key(|at| (ranks[*at], *at));
        prop_assert_eq!(in_order(&ranks), expected);
    }
}

proptest! {
    /// Of several priorities, so that what stands above the prices changes from one to the next.
    #[test]
    fn bids_stand_where_targets_do_of_which_nothing_else_is_known(
        bids in prop::collection::vec(
            (-1i32..3, 0u16..3, 499u16..502, prop::option::of(0u64..4)),
            0..ROUTE_TARGETS_MAX,
        ),
        seed: u64,
    ) {
        let bid = |(trunk, (step, weight, preference, cost)): (i64, (i32, u16, u16, _))| {
            let target = RouteTarget { trunk: TrunkId(trunk), priority: step * 60, weight };
            Bid { target, preference, cost }
        };
        let bids: Vec<Bid> = (1..).zip(bids).map(bid).collect();
        let (set, standing) = (usual(), Standing::default());
        let way = way(RouteOrder::Price, &set, seed, &standing);
        let known = |bid: &Bid| {
            let preference = (bid.preference, Agreed::default());
            let own = known_of(bid.target, preference, &way.view, way.order);
            Known { cost: bid.cost, ..own }
        };
        let all: Vec<Known> = bids.iter().map(known).collect();
        prop_assert_eq!(sorted_bids(&bids, &way), sorted(all.iter(), &way));
    }
}
