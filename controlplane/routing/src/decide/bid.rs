//! What suppliers bid for a call where nothing but their prices stands between them and it.
//!
//! Most of a carrier's routes go to the cheapest of trunks that take whatever call. Such targets
//! are not looked at one by one ([`Attempt::offers`]): the lines of the number are read out of all
//! decks in rounds, of which none waits for what the one before it read of another deck, and then
//! compared. What is not certain of a single target, a number that its deck has no line for, is
//! found out as of any other; what is not certain of the call leaves this way altogether.

use super::Attempt;
use super::called::Called;
use super::candidate::{Candidate, Offers, is_loss};
use super::hop::Hops;
use super::order::{self, Bid};
use super::sender::{Sender, Who};
use super::way::Way;
use crate::tariff::{Taken, Wanted};
use crate::trace::Step;
use crate::world::{Bidders, Suppliers};
use strowger_model::{Currency, Route, RouteOrder};

impl<'a> Attempt<'a> {
    /// Whether nothing of a call or of how trunks did is asked of bidders but what they charge.
    pub(super) fn is_plain_call(
        &self,
        (sender, hops): (&Sender<'a>, &Hops<'_>),
        bidders: &Bidders,
        (way, how): (&Way, &order::Way<'_>),
    ) -> bool {
        // A trunk that takes calls may not get its own back.
        let comes_from_one = match sender.who {
            Who::Subscriber(_) => false,
            Who::Trunk(row, _) => row.egress.is_some() && !sender.settings.call.send_back,
        };
        how.order == RouteOrder::Price
            && how.set.rest_ms == 0
            && !self.facts.explain
            && self.facts.again.is_none()
            && hops.place.part.is_none()
            && way.hops.len() <= hops.own_from
            && sender.account.partners.is_empty()
            && bidders.currency == sender.tenant.currency
            && !comes_from_one
            && !how.view.is_any_failed()
    }

    /// The targets that can take a plain call, and what is known of them: what they charge.
    pub(super) fn bids(
        &mut self,
        (sender, hops, called): (&Sender<'a>, &Hops<'_>, &Called),
        of: (&'a Route, Suppliers<'a>),
        bidders: &Bidders,
        (sale, how): (Option<(i128, Currency)>, &order::Way<'_>),
    ) -> (Vec<Bid>, Offers<'a>) {
        let (route, suppliers) = of;
        let lines = self.lines_of(bidders, called);
        let ms = how.set.price_ms;
        let (mut bids, mut all) =
            (Vec::with_capacity(lines.len()), Vec::with_capacity(lines.len()));
        let targets = route.targets.iter().zip(&bidders.list).zip(lines);
        for (at, ((target, bidder), taken)) in targets.enumerate() {
            let found = taken.and_then(|taken| {
                let wanted = Wanted { wall_us: self.began_us, digits: hops.number.len() };
                bidder.deck.located(taken, called.chain.as_ref()?, wanted)
            });
            let cost = found.and_then(|found| found.net_cost(bidder.discount, ms));
            let price = match cost {
                Some(cost) => (cost, bidders.currency),
                None => {
                    let found = suppliers.get(at, target.trunk);
                    let one = found.and_then(|found| Candidate::of_bidder(*target, found, taken));
                    let Some(one) = one else { continue };
                    match self.find_price(&one, sender.tenant, called, ms) {
                        Ok(price) => price,
                        Err(step) => {
                            self.note(step);
                            continue;
                        }
                    }
                }
            };
            if is_loss(price, sale) {
                self.note(Step::HopLoss { trunk: target.trunk.0 });
                continue;
            }
            let (cost, currency) = price;
            let is_own = currency == sender.tenant.currency;
            let cost = is_own.then(|| order::compared(cost));
            bids.push(Bid { target: *target, preference: bidder.preference, cost });
            all.push((at, taken));
        }
        (bids, Offers::Bids { of, all })
    }

    /// The line of the longest prefix in each deck.
    fn lines_of(&self, bidders: &Bidders, called: &Called) -> Vec<Option<Taken>> {
        let Some(chain) = &called.chain else { return vec![None; bidders.list.len()] };
        let longest = self.world.joint().longest(chain, bidders.decks);
        let all = || bidders.list.iter();
        let places: Vec<_> = all()
            .map(|bidder| longest.of(bidder.place).and_then(|id| bidder.deck.place_of(id)))
            .collect();
        all().zip(places).map(|(bidder, place)| bidder.deck.take(place?)).collect()
    }
}
