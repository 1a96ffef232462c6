//! In which order the targets of a route are tried (spec 19.3), as one number each that is sorted.
//!
//! What the spec's list says of trunks, from the most significant on: absolute precedence (4, 9),
//! precedence for the called number (10), tier of the priority (12), not failed (13), not failed
//! for this number (14), not the one that had a caller who tries again (spec FAIL-03), priority
//! within the tier (18), no call that ended a moment ago (19), precedence for the caller (20) and
//! its organization (21), agreed minutes (27 to 30), then what the route's order asks for (price,
//! quality and price, last call, free lines (35), or nothing), the trunk's own preference (25; not
//! where calls are shared), and a weight above 0. Equals are drawn by weight, or take turns where
//! calls are shared. A pattern's own priority (2) and its match (3) have decided before; emergency
//! numbers (1) go another way.

use super::Attempt;
use super::agreed::Agreed;
use super::first::{FIRST_BITS, First};
use super::sender::Sender;
use crate::limits::ROUTE_TARGETS_MAX;
use crate::standing::{Figures, Talked, Turn, View};
use crate::tariff::without_tax;
use std::sync::Arc;
use strowger_billing::Terms;
use strowger_link::siphash::{Key, siphash24};
use strowger_model::{
    Amount, ClassRule, Currency, Exchange, FX_ONE, Route, RouteId, RouteOrder, RouteSettings,
    RouteTarget, TrunkId, raw_scale,
};

/// Distance of route target priorities that belong to one tier (spec ROUTE-PRIO-01).
const TIER: i32 = 100;
/// Bits of a cost that is too fine to tell two targets apart.
const COST_SHIFT: u32 = 24;
const COST_BITS: u32 = 48;
const COST_MAX: u64 = (1 << COST_BITS) - 1;
/// Bits behind the cost: a preference, and whether there is a weight.
const LAST_BITS: u32 = 17;
/// Bits of a target's place among those of its route.
const PLACE_BITS: u32 = ROUTE_TARGETS_MAX.trailing_zeros();
const _: () = assert!(ROUTE_TARGETS_MAX == 1 << PLACE_BITS);
/// Bits of the cost that the quality takes the place of.
const QUALITY_BITS: u32 = 7;
/// Of a hundred calls so many go to a target of which too little is known, if there is one.
const PROBES_PERCENT: u64 = 10;

/// What is known of a target when its place is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) target: RouteTarget,
    /// The trunk's own preference, thousandths.
    pub(super) preference: u16,
    /// Failed lately: as a whole, and for this number.
    pub(super) failed: (bool, bool),
    /// It had the caller's last, short talk with the number.
    pub(super) had: bool,
    /// Its last call ended a moment ago.
    pub(super) rests: bool,
    /// Minutes that are agreed on.
    pub(super) agreed: Agreed,
    /// What the call of comparison costs us; `None` = that is not known.
    pub(super) cost: Option<u64>,
    pub(super) figures: Option<Figures>,
    /// Too little is known of it.
    pub(super) wants_probe: bool,
    /// Place of its last call among all.
    pub(super) last_call: u64,
    /// What its trunk is first for.
    pub(super) first: First,
    /// Its lines that no call has; counted in the order that asks for it alone.
    pub(super) lines_free: u32,
}

/// A target of which nothing but its price is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bid {
    pub(super) target: RouteTarget,
    /// The trunk's own preference, thousandths.
    pub(super) preference: u16,
    /// What the call of comparison costs us; `None` = that is not known.
    pub(super) cost: Option<u64>,
}

/// How targets are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'a> {
    pub(super) order: RouteOrder,
    pub(super) set: &'a RouteSettings,
    /// Chance: the same for the same ask.
    pub(super) seed: u64,
    /// Whose targets they are, and how turns stand.
    pub(super) route: RouteId,
    pub(super) view: View<'a>,
    /// What the call of comparison costs by the best and the worst price that are told apart.
    pub(super) costs: [Option<u64>; 2],
}

/// A target in its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Placed {
    /// Its place among all that were given.
    pub(super) at: usize,
    /// The value of quality that was compared.
    pub(super) rank: Option<u8>,
    /// It is there to be tried.
    pub(super) probes: bool,
    /// Those that it shares calls with.
    pub(super) turn: Option<Arc<Turn>>,
}

/// Where a target stands, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Trunk.
    pub trunk: TrunkId,
    /// Tier of its priority: hundreds.
    pub tier: i32,
    /// Its priority.
    pub priority: i32,
    /// It failed lately.
    pub failed: bool,
    /// It failed lately for numbers like this.
    pub failed_here: bool,
    /// It comes first to see how good it is.
    pub probes: bool,
    /// Price and quality together, 0 to 100 by the accuracy; `None` in other orders.
    pub rank: Option<u8>,
    /// Its share of answered calls, percent, of today and yesterday.
    pub asr_percent: Option<u32>,
    /// Its average talk in that time, milliseconds.
    pub acd_ms: Option<u64>,
    /// What it talked; `None` when no minutes are agreed on.
    pub talked: Option<Talked>,
    /// What the call of comparison costs us.
    pub cost: Amount,
    /// Currency of the cost.
    pub currency: Currency,
    /// The trunk's own preference, thousandths.
    pub preference: u16,
    /// Share among equals.
    pub weight: u16,
}

/// A place in the order; the smaller is tried earlier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Rank(u128);

/// A number of so many bits put behind those before.
const fn pack(rank: u128, bits: u32, value: u64) -> u128 {
    rank << bits | value as u128
}

impl Rank {
    fn of(known: &Known, way: &Way<'_>, probes: bool, value: u64) -> Rank {
        let own = (known.preference, known.target.weight);
        Rank::behind(Rank::above(known, way, probes), value, own, way.order)
    }

    /// All that stands above what the order asks for.
    fn above(known: &Known, way: &Way<'_>, probes: bool) -> u64 {
        let priority = known.target.priority;
        let (tier, rest) = (priority.div_euclid(TIER), priority.rem_euclid(TIER));
        // The larger is earlier: counted from above.
        let down = |value: i32, most: i32| u64::from(most.abs_diff(value));
        let (whole, here) = known.failed;
        let failed = |is: bool| u64::from(is && way.set.failover);
        // What stands above the price fits into one word, what follows it does not quite.
        let above = [
            (FIRST_BITS, known.first.above()),
            (26, down(tier, i32::MAX / TIER)),
            (1, failed(whole)),
            (1, failed(here)),
            (1, u64::from(known.had)),
            (7, down(rest, TIER - 1)),
            (1, u64::from(known.rests)),
            (2, known.first.within()),
            (4, known.agreed.key()),
            (1, u64::from(!probes)),
        ];
        above.into_iter().fold(0, |rank, (bits, value)| rank << bits | value)
    }

    /// The rest behind what stands above: what the order asks for, preference and weight.
    fn behind(above: u64, value: u64, own: (u16, u16), order: RouteOrder) -> Rank {
        let (preference, weight) = own;
        let preference = match order {
            // Shares are among all of one priority.
            RouteOrder::Share => 0,
            RouteOrder::Weight
            | RouteOrder::Price
            | RouteOrder::Quality
            | RouteOrder::Rotation
            | RouteOrder::Lines => u16::MAX - preference,
        };
        let last = u64::from(preference) << 1 | u64::from(weight == 0);
        Rank(pack(pack(above.into(), COST_BITS, value.min(COST_MAX)), LAST_BITS, last))
    }
}

/// Places in the order of their ranks, equals as they came. Most ranks differ in a few dozen bits
/// that stand together: these are sorted with the place behind them, as one word each.
fn in_order(ranks: &[Rank]) -> Vec<usize> {
    let first = ranks.first().map_or(0, |rank| rank.0);
    let differing = ranks.iter().fold(0, |bits, rank| bits | (rank.0 ^ first));
    let shift = differing.trailing_zeros();
    let bits = u128::BITS.saturating_sub(differing.leading_zeros() + shift);
    if differing == 0 {
        return (0..ranks.len()).collect();
    }
    if bits + PLACE_BITS > u64::BITS || ranks.len() > 1 << PLACE_BITS {
        let mut places: Vec<usize> = (0..ranks.len()).collect();
        places.sort_by_key(|place| ranks.get(*place));
        return places;
    }
    let word = |rank: &Rank| (((rank.0 & differing) >> shift) as u64) << PLACE_BITS;
    let mut words: Vec<u64> = ranks.iter().map(word).zip(0..).map(|(rank, at)| rank | at).collect();
    words.sort_unstable();
    words.into_iter().map(|word| (word & ((1 << PLACE_BITS) - 1)) as usize).collect()
}

/// The targets in order.
pub(super) fn sorted<'k>(
    all: impl Iterator<Item = &'k Known> + Clone,
    way: &Way<'_>,
) -> Vec<Placed> {
    let dearest = all.clone().filter_map(|known| known.cost).max().unwrap_or_default();
    let by_quality = way.order == RouteOrder::Quality;
    let probing = by_quality && chance(way.seed, b"probes of routes") % 100 < PROBES_PERCENT;
    let ranked = (0..).zip(all).map(|(index, known)| {
        let quality = by_quality.then(|| quality(known, dearest, way));
        let probes = probing && known.wants_probe;
        let rank = Rank::of(known, way, probes, value(known, way.order, quality));
        (rank, Ranked { index, quality, probes, target: known.target })
    });
    let (ranks, ranked): (Vec<Rank>, Vec<Ranked>) = ranked.unzip();
    placed(&ranks, way, |index| ranked.get(index).copied())
}

/// The same of targets of which nothing but what they charge is asked, by the order of prices.
pub(super) fn sorted_bids(bids: &[Bid], way: &Way<'_>) -> Vec<Placed> {
    // What stands above the price is the same for all of one priority.
    let mut last: Option<(i32, u64)> = None;
    let rank = |bid: &Bid| {
        let Bid { target, preference, cost } = *bid;
        let above = match last {
            Some((priority, above)) if priority == target.priority => above,
            Some(_) | None => {
                let about = (preference, Agreed::default());
                let above = Rank::above(&known_of(target, about, &way.view, way.order), way, false);
                last = Some((target.priority, above));
                above
            }
        };
        let value = cost.unwrap_or(COST_MAX);
        Rank::behind(above, value, (preference, target.weight), way.order)
    };
    let ranks: Vec<Rank> = bids.iter().map(rank).collect();
    placed(&ranks, way, |index| {
        let target = bids.get(index)?.target;
        Some(Ranked { index, quality: None, probes: false, target })
    })
}

/// Targets in the order of their ranks.
fn placed(ranks: &[Rank], way: &Way<'_>, ranked: impl Fn(usize) -> Option<Ranked>) -> Vec<Placed> {
    if let [_] = ranks {
        return ranked(0).map(|only| only.placed(None)).into_iter().collect();
    }
    let mut order = Vec::with_capacity(ranks.len());
    for equals in in_order(ranks).chunk_by(|a, b| ranks.get(*a) == ranks.get(*b)) {
        let at = |index: &usize| ranked(*index);
        if equals.len() == 1 {
            order.extend(equals.iter().filter_map(at).map(|ranked| ranked.placed(None)));
            continue;
        }
        let equals: Vec<Ranked> = equals.iter().filter_map(at).collect();
        if way.order == RouteOrder::Share && in_turn(&equals, way, &mut order) {
            continue;
        }
        let weights: Vec<u16> = equals.iter().map(|ranked| ranked.target.weight).collect();
        let drawn = drawn_by_weight(&weights, way.seed);
        let drawn = drawn.into_iter().filter_map(|at| equals.get(at));
        order.extend(drawn.map(|ranked| ranked.placed(None)));
    }
    order
}

/// Puts targets that share calls in their order; `false` when none has a weight.
fn in_turn(equals: &[Ranked], way: &Way<'_>, order: &mut Vec<Placed>) -> bool {
    let targets = equals.iter().map(|ranked| (ranked.target.trunk, ranked.target.weight));
    let turn = Arc::new(Turn::of(way.route, targets));
    let Some(due) = way.view.due(&turn) else { return false };
    let of = |trunk: &TrunkId| equals.iter().find(|ranked| ranked.target.trunk == *trunk);
    let placed = |ranked: &Ranked| ranked.placed(Some(Arc::clone(&turn)));
    order.extend(due.order.iter().filter_map(of).map(placed));
    true
}

/// A target while it is sorted.
#[derive(Clone, Copy)]
struct Ranked {
    index: usize,
    quality: Option<u8>,
    probes: bool,
    target: RouteTarget,
}

impl Ranked {
    fn placed(&self, turn: Option<Arc<Turn>>) -> Placed {
        Placed { at: self.index, rank: self.quality, probes: self.probes, turn }
    }
}

/// What the order asks for; less is earlier.
fn value(known: &Known, order: RouteOrder, quality: Option<u8>) -> u64 {
    let cost = known.cost.unwrap_or(COST_MAX);
    match (order, quality) {
        (RouteOrder::Weight | RouteOrder::Share, _) => 0,
        (RouteOrder::Price, _) => cost,
        (RouteOrder::Rotation, _) => known.last_call,
        (RouteOrder::Lines, _) => u64::from(u32::MAX - known.lines_free),
        (RouteOrder::Quality, rank) => {
            let behind = u64::from(100 - rank.unwrap_or_default().min(100));
            behind << (COST_BITS - QUALITY_BITS) | cost >> QUALITY_BITS
        }
    }
}

/// The source's priority of a route by price and quality, 0 to 100 (spec BRS-03). Who has no
/// figures has those of the middle, so that it is neither first nor last by what nobody knows.
fn quality(known: &Known, dearest: u64, way: &Way<'_>) -> u8 {
    let set = way.set;
    let [best, worst] = way.costs;
    let (best, worst) = (best.unwrap_or(0), worst.unwrap_or(dearest));
    let cost = known.cost.unwrap_or(worst).max(best).min(worst);
    let cheap = u128::from(worst.saturating_sub(cost)) * 100;
    let range = u128::from(worst.saturating_sub(best));
    let price = cheap.checked_div(range).map_or(100, |percent| percent as u64);
    let own = known.figures.map_or(50, |figures| auto_quality(&figures, set));
    auto_priority(price, own, set.quality_percent, set.accuracy_percent)
}

/// The mean of how good four figures are, percent.
fn auto_quality(figures: &Figures, set: &RouteSettings) -> u64 {
    let Figures { day, month } = figures;
    let asr_percent = (set.quality_asr_percent_min.into(), set.quality_asr_percent_max.into());
    let acd_ms = (set.quality_acd_ms_min.into(), set.quality_acd_ms_max.into());
    let asr = |counts: &crate::standing::Counts| counts.asr_percent().map(u64::from);
    let parts = [
        asr(day).map(|asr| scaled(asr, asr_percent)),
        asr(month).map(|asr| scaled(asr, asr_percent)),
        day.acd_ms().map(|ms| scaled(ms, acd_ms)),
        month.acd_ms().map(|ms| scaled(ms, acd_ms)),
    ];
    let sum: u64 = parts.iter().flatten().sum();
    sum / parts.len() as u64
}

/// How far a value is on the way from the worst to the best, percent. Where these are set the wrong
/// way round there is no way: it is all or nothing.
fn scaled(value: u64, (worst, best): (u64, u64)) -> u64 {
    let gone = value.min(best).saturating_sub(worst) * 100;
    gone.checked_div(best.saturating_sub(worst)).unwrap_or(if value >= best { 100 } else { 0 })
}

/// Price and quality joined, and made as rough as the accuracy says.
fn auto_priority(price: u64, quality: u64, quality_percent: u8, accuracy_percent: u8) -> u8 {
    let share = u64::from(quality_percent.min(100));
    let mix = (price * (100 - share) + quality * share) / 100;
    let bucket = 100 / u64::from(accuracy_percent.clamp(1, 100));
    u8::try_from(mix / bucket).unwrap_or(u8::MAX)
}

fn chance(seed: u64, what: &[u8; 16]) -> u64 {
    siphash24(&Key(*what), &seed.to_le_bytes())
}

/// Draws without putting back, each with a chance by its weight; weights of 0 keep their order. The
/// draw is keyed, so asking again gives the same order.
fn drawn_by_weight(weights: &[u16], seed: u64) -> Vec<usize> {
    let mut left: Vec<(usize, u64)> =
        weights.iter().enumerate().map(|(at, weight)| (at, u64::from(*weight))).collect();
    let mut drawn = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let total: u64 = left.iter().map(|(_, weight)| weight).sum();
        let round = (drawn.len() as u64).to_le_bytes();
        let dice = siphash24(&Key(*b"weights of route"), &[seed.to_le_bytes(), round].concat());
        let mut rest = dice.checked_rem(total).unwrap_or_default();
        let at = left.iter().position(|(_, weight)| {
            let hit = total == 0 || rest < *weight;
            rest = rest.saturating_sub(*weight);
            hit
        });
        drawn.push(left.remove(at.unwrap_or(0)).0);
    }
    drawn
}

/// What a call of `ms` costs under these terms without tax, before any rounding, in units that are
/// the same for all terms of one currency.
pub(super) fn net_cost(terms: &Terms, ms: u64) -> i128 {
    let mut pricing = terms.pricing;
    if terms.class_rule == ClassRule::Middle {
        pricing.prices = pricing.prices.only_at(ms / 2);
    }
    let raw = pricing.raw(pricing.measure.charged_ms(ms));
    without_tax(raw, terms.vat_included, terms.vat_ppm)
}

/// A cost in another currency, rounded down.
pub(super) fn exchanged(net: i128, exchange: Exchange) -> i128 {
    let (rate, one) = (i128::from(exchange.rate()), i128::from(FX_ONE));
    (net / one).saturating_mul(rate).saturating_add(net % one * rate / one)
}

/// A cost as it is compared: finer differences than some 1e-12 of the currency are none.
pub(super) fn compared(net: i128) -> u64 {
    u64::try_from(net >> COST_SHIFT).unwrap_or(COST_MAX).min(COST_MAX)
}

/// A cost as people read it.
pub(super) fn amount(net: i128, currency: Currency) -> Amount {
    let amount = net / raw_scale(currency.ledger_digits());
    Amount(i64::try_from(amount).unwrap_or(i64::MAX))
}

/// What is known of a target beside its price; of what the order does not ask for, nothing.
pub(super) fn known_of(
    target: RouteTarget,
    (preference, agreed): (u16, Agreed),
    view: &View<'_>,
    order: RouteOrder,
) -> Known {
    let trunk = target.trunk;
    let by_quality = order == RouteOrder::Quality;
    let by_rotation = order == RouteOrder::Rotation;
    Known {
        target,
        preference,
        failed: view.is_failed(trunk),
        had: false,
        rests: false,
        agreed,
        cost: None,
        figures: if by_quality { view.figures(trunk) } else { None },
        wants_probe: by_quality && view.wants_probe(trunk),
        last_call: if by_rotation { view.last_call(trunk) } else { 0 },
        first: First::default(),
        lines_free: 0,
    }
}

/// The place of a target in words of its own.
pub(super) fn place(
    known: &Known,
    rank: Option<u8>,
    probes: bool,
    (cost, currency): (i128, Currency),
) -> Place {
    let RouteTarget { trunk, priority, weight } = known.target;
    let day = known.figures.map(|figures| figures.day);
    Place {
        trunk,
        tier: priority.div_euclid(TIER),
        priority,
        failed: known.failed.0,
        failed_here: known.failed.1,
        probes,
        rank,
        asr_percent: day.and_then(|day| day.asr_percent()),
        acd_ms: day.and_then(|day| day.acd_ms()),
        talked: known.agreed.talked(),
        cost: amount(cost, currency),
        currency,
        preference: known.preference,
        weight,
    }
}

impl<'a> Attempt<'a> {
    /// How the targets of a route are compared.
    pub(super) fn way_of(&self, route: &Route, sender: &Sender<'a>, view: View<'a>) -> Way<'a> {
        let set = &sender.settings.route;
        let seed = self.ask.id.0 ^ route.id.0.cast_unsigned().rotate_left(32);
        let order = route.order.unwrap_or(set.order);
        let costs = match order {
            RouteOrder::Quality => [set.quality_price_min, set.quality_price_max].map(|price| {
                let terms = Terms::flat(price?, sender.tenant.currency).ok()?;
                Some(compared(net_cost(&terms, set.price_ms)))
            }),
            RouteOrder::Weight
            | RouteOrder::Price
            | RouteOrder::Rotation
            | RouteOrder::Share
            | RouteOrder::Lines => [None; 2],
        };
        Way { order, set, seed, route: route.id, view, costs }
    }
}

#[cfg(test)]
mod tests;
