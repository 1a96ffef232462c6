//! Rating records again: the runs that REST asks for, prepared and booked some records at a time.
//!
//! Reconciled: what is to be done is what the database says, each step writes how far it came in
//! its own transaction, and boot and running take the same way. A run that is booked goes before
//! those that are prepared, because what counts changes with it; so no two steps of a tenant
//! overlap.

use crate::decider::Orders;
use crate::money::Cashier;
use crate::run::{Until, chain};
use crate::view::ask;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use strowger_model::{Cdr, CdrId, Charge};
use strowger_port::clock;
use strowger_routing::{OtherPrices, World, recommission, rerate};
use strowger_store::{
    COMMISSIONS_FROM, CdrKey, NewRerate, RERATE_CHUNK, Rated, Rerate, RerateCounts, RerateLine,
    RerateState, Store, StoreError,
};
use tracing::{info, warn};

/// How often it is looked for runs.
const LOOK: Duration = Duration::from_millis(500);
/// Pause between two steps of a run: calls' records are written between them.
const PAUSE: Duration = Duration::from_millis(2);

/// Goes on with runs until the end.
pub(crate) async fn keep(orders: Orders, store: Store, cashier: Cashier, mut until: Until) {
    let mut pause = LOOK;
    while until.sleep(pause).await {
        pause = match store.reader().rerate_due().await {
            Ok(None) => LOOK,
            Ok(Some(run)) => {
                let world = ask(&orders, |office| Arc::clone(office.world())).await;
                let Ok(world) = world else { return };
                pause_after(go_on(&store, &world, &cashier, &run).await)
            }
            Err(e) => pause_after(Err(e)),
        };
    }
}

fn pause_after(done: Result<(), StoreError>) -> Duration {
    match done {
        Ok(()) => PAUSE,
        Err(e) => {
            warn!("records are not rated again yet: {}", chain(&e));
            LOOK
        }
    }
}

/// Goes on with a run by one transaction.
async fn go_on(
    store: &Store,
    world: &World,
    cashier: &Cashier,
    run: &Rerate,
) -> Result<(), StoreError> {
    match run.state {
        RerateState::Preparing => prepare(store, world, run).await,
        RerateState::Publishing => cashier.clone().post_rerate(run).await,
        RerateState::Discarded => store.forget_rerate(run).await,
        RerateState::Prepared | RerateState::Published => Ok(()),
    }
}

async fn prepare(store: &Store, world: &World, run: &Rerate) -> Result<(), StoreError> {
    let reader = store.reader();
    let records = reader.rerate_records(run).await?;
    let ids: Vec<CdrId> = records.iter().map(|record| record.id).collect();
    let known = Known::of(reader.ratings_of(&ids).await?);
    let mut found = Found::default();
    for record in &records {
        found.add(world, &run.wanted, record, &known);
    }
    let last = records.last().map_or(run.last, |record| CdrKey {
        ended_us: record.times.ended_us,
        id: record.id,
        part: record.part,
    });
    let is_last = records.len() < RERATE_CHUNK as usize;
    let done_us = is_last.then(clock::wall_us);
    if store.prepare_rerate(run, (last, found.counts), &found.lines, done_us).await? && is_last {
        info!(rerate = run.id, "records were rated again and can be looked at");
    }
    Ok(())
}

/// Place of a charge: record, part, and which of its charges.
type Place = (CdrId, u8, i16);

/// The later ratings of records.
struct Known(BTreeMap<Place, Current>);

/// What counts of a charge now.
#[derive(Clone, Copy)]
struct Current {
    version: u32,
    /// The last rating that moved money.
    booked: Option<Charge>,
}

impl Known {
    fn of(ratings: Vec<Rated>) -> Known {
        let mut known: BTreeMap<Place, Current> = BTreeMap::new();
        for Rated { line, with_money, .. } in ratings {
            let place = (line.cdr, line.part, line.position);
            let now = known.entry(place).or_insert(Current { version: 1, booked: None });
            now.version = now.version.max(line.version);
            if with_money {
                now.booked = Some(line.charge);
            }
        }
        Known(known)
    }

    /// A charge of a record, as it was booked last.
    fn counted(&self, record: &Cdr, (position, charge): (i16, &Charge)) -> Counted {
        let current = self.0.get(&(record.id, record.part, position));
        Counted {
            position,
            charge: current.and_then(|current| current.booked).unwrap_or(*charge),
            version: current.map_or(1, |current| current.version),
            is_new: false,
        }
    }
}

/// A charge of a record as it counts.
#[derive(Clone, Copy)]
struct Counted {
    /// Which of the record's charges it is.
    position: i16,
    /// What was booked last.
    charge: Charge,
    /// Its newest rating.
    version: u32,
    /// This run changes it.
    is_new: bool,
}

/// What comes out for some records.
#[derive(Default)]
struct Found {
    counts: RerateCounts,
    lines: Vec<RerateLine>,
}

impl Found {
    fn add(&mut self, world: &World, wanted: &NewRerate, record: &Cdr, known: &Known) {
        self.counts.records = self.counts.records.saturating_add(1);
        let by = OtherPrices { tariff: wanted.new_tariff, at_us: wanted.prices_us };
        let customer = record.customer.iter().map(|charge| (0, charge));
        let payers: Vec<Counted> = customer
            .chain((1i16..).zip(&record.levels))
            .map(|place| self.rated(world, (wanted, by), record, known.counted(record, place)))
            .collect();
        let supplier = record.supplier.as_ref().map(|charge| {
            self.rated(world, (wanted, by), record, known.counted(record, (-1, charge)))
        });
        for place in (COMMISSIONS_FROM..).zip(&record.commissions) {
            let earned = known.counted(record, place);
            self.add_commission(world, record, earned, (&payers, supplier.as_ref()));
        }
    }

    /// A charge by other prices, or as it counts where it stays.
    fn rated(
        &mut self,
        world: &World,
        (wanted, by): (&NewRerate, OtherPrices),
        record: &Cdr,
        was: Counted,
    ) -> Counted {
        if !is_wanted(wanted, &was.charge) {
            return was;
        }
        let now = rerate(world, record, &was.charge, by);
        self.note(record, was, now.ok())
    }

    /// What an agent earns follows what it is a part of: it is rated again when that is.
    fn add_commission(
        &mut self,
        world: &World,
        record: &Cdr,
        earned: Counted,
        (payers, supplier): (&[Counted], Option<&Counted>),
    ) {
        // Whoever sells to a payer stands in its charge, and no two payers buy from the same.
        let of = |payer: &Counted| {
            let Charge { payee, currency, .. } = payer.charge;
            (payee, currency) == (earned.charge.payee, earned.charge.currency)
        };
        let Some(at) = payers.iter().position(of) else { return };
        let Some(paid) = payers.get(at) else { return };
        let cost = payers.get(at.saturating_add(1)).or(supplier);
        if !paid.is_new && !cost.is_some_and(|cost| cost.is_new) {
            return;
        }
        let terms = (&paid.charge, cost.map(|cost| &cost.charge));
        let now = recommission(world, record, &earned.charge, terms);
        self.note(record, earned, now);
    }

    /// Writes down what a charge is now; `None` = nobody knows, it stays.
    fn note(&mut self, record: &Cdr, was: Counted, now: Option<Charge>) -> Counted {
        let Some(now) = now else {
            self.counts.unpriced = self.counts.unpriced.saturating_add(1);
            return was;
        };
        if (now.net, now.gross) == (was.charge.net, was.charge.gross) {
            self.counts.same = self.counts.same.saturating_add(1);
            return was;
        }
        self.lines.push(RerateLine {
            line: 0,
            cdr: record.id,
            part: record.part,
            position: was.position,
            version: was.version.saturating_add(1),
            was_net: was.charge.net,
            was_gross: was.charge.gross,
            charge: now,
        });
        Counted { charge: now, is_new: true, ..was }
    }
}

fn is_wanted(wanted: &NewRerate, charge: &Charge) -> bool {
    wanted.account.is_none_or(|account| account == charge.account)
        && wanted.tariff.is_none_or(|tariff| Some(tariff) == charge.tariff)
        && wanted.kind.is_none_or(|kind| kind == charge.kind)
}

#[cfg(test)]
mod tests;
