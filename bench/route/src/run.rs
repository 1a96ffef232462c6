//! The measurement.

use crate::{Options, table, world};
use hdrhistogram::Histogram;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use strowger_link::{AnswerBody, AskId, Down, PartyRef, Tick, Up};
use strowger_model::{Amount, TariffId};
use strowger_office::{Office, Output};
use strowger_port::clock;
use strowger_routing::{Rows, World};

/// Longest time of an answer, nanoseconds.
const ANSWER_NS_MAX: u64 = 60_000_000_000;
/// Asks that are not counted, one in so many.
const WARM_UP_PART: u32 = 10;
/// Credit of each customer: no run comes to its end.
const CREDIT: &str = "1000000";
/// Most seconds that a deck may take to come into force before the bench gives up.
const DECK_S_MAX: u64 = 600;

/// Builds, measures, and says it in one line.
pub(crate) fn run(options: Options) -> Result<String, String> {
    let rows = world::rows(options).ok_or("a constant of the rows is wrong")?;
    let built = clock::monotonic();
    let world = Arc::new(build(options, rows.clone())?);
    let build_ms = clock::monotonic().ns_since(built) / 1_000_000;
    let bytes = world.deck_bytes() as f64 / world.deck_rows().max(1) as f64;
    let (mut office, mut asker) = (office(&world)?, Asker::new(options));
    let mut quiet = histogram()?;
    for count in 0..options.asks + options.asks / WARM_UP_PART {
        let took_ns = asker.ask(&mut office)?;
        if count >= options.asks / WARM_UP_PART {
            quiet.saturating_record(took_ns);
        }
    }
    let mut busy = histogram()?;
    let deck_ms = replace(options, rows, &world, &mut office, &mut asker, &mut busy)?;
    let at = |times: &Histogram<u64>, q: f64| times.value_at_quantile(q) as f64 / 1_000.0;
    let Options { suppliers, rates, accounts, asks, deck } = options;
    Ok(format!(
        "{{\"bench\":\"route\",\"ours\":{:.2},\"unit\":\"us of a complete decision, p50\",\
         \"p99_us\":{:.2},\"max_us\":{:.1},\"bytes_per_row\":{bytes:.1},\"build_ms\":{build_ms},\
         \"deck_ms\":{deck_ms},\"during\":{{\"p50_us\":{:.2},\"p99_us\":{:.2},\"max_us\":{:.0},\
         \"asks\":{}}},\"hops\":{:.1},\"work\":\"{suppliers} suppliers x {rates} prefixes, \
         {accounts} accounts, {asks} asks; a deck of {deck}\"}}",
        at(&quiet, 0.5),
        at(&quiet, 0.99),
        quiet.max() as f64 / 1_000.0,
        at(&busy, 0.5),
        at(&busy, 0.99),
        busy.max() as f64 / 1_000.0,
        busy.len(),
        asker.hops as f64 / f64::from(asker.next.max(1)),
    ))
}

/// A world as a process of the control plane has it after each supplier sent its list: one rebuild
/// for each.
fn build(options: Options, rows: Rows) -> Result<World, String> {
    let mut held = BTreeSet::new();
    let mut world =
        World::build(Rows { routes: Vec::new(), ..rows.clone() }).map_err(|e| e.to_string())?;
    held.insert(TariffId(1));
    for supplier in 0..options.suppliers {
        let tariff = world::tariff_of(supplier);
        let row = rows.tariffs.iter().find(|row| row.id == tariff).ok_or("no such tariff")?;
        let lines = world::lines(supplier, options.rates).ok_or("a line is wrong")?;
        let change = strowger_routing::Change::Tariff(row.clone(), lines);
        world = world.changed(change).map_err(|e| e.to_string())?;
        held.insert(tariff);
    }
    let rows = Rows { rates: Vec::new(), ..rows };
    world.rebuilt(rows, &held).map_err(|e| e.to_string())
}

fn office(world: &Arc<World>) -> Result<Office, String> {
    let mut office = Office::new(0, Arc::clone(world));
    let now = clock::monotonic();
    for account in world.accounts() {
        let posted = if account.prepaid { CREDIT } else { "0" };
        let posted = Amount::parse(posted, account.currency).map_err(|e| format!("{e:?}"))?;
        office.load(account, posted, now);
    }
    Ok(office)
}

fn histogram() -> Result<Histogram<u64>, String> {
    Histogram::new_with_bounds(1, ANSWER_NS_MAX, 3).map_err(|e| e.to_string())
}

/// Asks one question after the other.
struct Asker {
    options: Options,
    next: u32,
    hops: u64,
    /// Answers that went to the trunk of the new deck first.
    first_to: u64,
}

impl Asker {
    const fn new(options: Options) -> Asker {
        Asker { options, next: 0, hops: 0, first_to: 0 }
    }

    /// One question and its answer, nanoseconds.
    fn ask(&mut self, office: &mut Office) -> Result<u64, String> {
        self.next += 1;
        let id = AskId(self.next.into());
        let customer = table::draw([6, self.next.into(), 0]) % u64::from(self.options.accounts);
        let customer = world::CUSTOMER + i64::try_from(customer).unwrap_or_default();
        let number = table::number(self.options, self.next);
        let (now, wall_us) = (clock::monotonic(), clock::wall_us());
        let ask = world::ask(id, customer, number, now, wall_us);
        let begun = clock::monotonic();
        office.handle_up(Up::Ask(Box::new(ask)), now, wall_us);
        let mut answer = None;
        while let Some(output) = office.poll_output() {
            if let Output::Down(Down::Answer(body)) = output {
                answer = Some(body.body);
            }
        }
        let took_ns = clock::monotonic().ns_since(begun);
        let Some(AnswerBody::Go(go)) = answer else {
            return Err(format!("the question about {number} was answered {answer:?}"));
        };
        self.hops += go.stages.len() as u64;
        let first = go.stages.first().and_then(|stage| stage.branches.first());
        self.first_to += u64::from(first.is_some_and(|b| b.party == PartyRef::Trunk(1)));
        office.handle_up(Up::Abandoned(id), now, wall_us);
        while office.poll_output().is_some() {}
        Ok(took_ns.max(1))
    }
}

/// Replaces the first supplier's deck while questions are answered; milliseconds until it is in
/// force. Its prices are the lowest of all, so that answers show it.
fn replace(
    options: Options,
    rows: Rows,
    world: &Arc<World>,
    office: &mut Office,
    asker: &mut Asker,
    times: &mut Histogram<u64>,
) -> Result<u64, String> {
    let tariff = world::tariff_of(0);
    let mut lines = world::lines(0, options.deck).ok_or("a line is wrong")?;
    lines.iter_mut().for_each(|line| line.price.0 = 1);
    let kept: BTreeSet<TariffId> =
        rows.tariffs.iter().map(|row| row.id).filter(|id| *id != tariff).collect();
    let rows = Rows { rates: lines, ..rows };
    let old = Arc::clone(world);
    let (done, ready) = channel();
    let begun = clock::monotonic();
    let builder = std::thread::spawn(move || {
        let next = old.rebuilt(rows, &kept).map(Arc::new).map_err(|e| e.to_string());
        // The old world is given up here, not by who answers.
        done.send(next).map(|()| old)
    });
    let next = answer_until(office, asker, times, &ready, begun)?;
    office.set_world(Arc::clone(&next), clock::monotonic());
    let took_ms = clock::monotonic().ns_since(begun) / 1_000_000;
    let ended = builder.join().map_err(|_| "the builder has failed")?;
    drop(ended);
    let before = asker.first_to;
    asker.ask(office)?;
    match asker.first_to > before {
        true => Ok(took_ms),
        false => Err("the new deck is not in force".into()),
    }
}

fn answer_until(
    office: &mut Office,
    asker: &mut Asker,
    times: &mut Histogram<u64>,
    ready: &Receiver<Result<Arc<World>, String>>,
    begun: Tick,
) -> Result<Arc<World>, String> {
    loop {
        match ready.try_recv() {
            Ok(next) => return next,
            Err(TryRecvError::Empty) => times.saturating_record(asker.ask(office)?),
            Err(TryRecvError::Disconnected) => return Err("the builder has failed".into()),
        }
        if clock::monotonic().ns_since(begun) > DECK_S_MAX * 1_000_000_000 {
            return Err("the deck did not come into force".into());
        }
    }
}
