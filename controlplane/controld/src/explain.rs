//! Traces and dry runs in words, with the names that rows have now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use strowger_api::{
    RouteBranch, RoutePayer, RouteRefusal, RouteSender, RouteTarget, RouteTest, RouteTested,
    RouteVerdict, TraceEyes, TraceOrder, TraceStep, TraceWords,
};
use strowger_billing::{Level, Settlement};
use strowger_link::{Branch, Go, PartyRef, Tick};
use strowger_model::{PRICE_DIGITS, RateId, SubscriberId, TenantId, TrunkId, print_decimal};
use strowger_office::Office;
use strowger_routing::{
    Audience, Caller, Decision, DryRun, Fact, NoDryRun, Query, RoutePlace, RowNames, Said, Thing,
    Trace, Verdict, World, aftermath, dry_run,
};
use strowger_store::{Owned, Scope, Store};

/// Names of rows in memory, and of the price lines that a trace mentions.
struct Known {
    world: Arc<World>,
    rates: BTreeMap<i64, String>,
}

impl RowNames for Known {
    fn name(&self, thing: Thing, id: i64) -> Option<String> {
        match thing {
            Thing::Rate => self.rates.get(&id).cloned(),
            Thing::Trunk
            | Thing::Subscriber
            | Thing::Account
            | Thing::Route
            | Thing::Rule
            | Thing::NumberList
            | Thing::PriceRule
            | Thing::NumberKind
            | Thing::Allowance => self.world.name(thing, id),
        }
    }
}

impl Known {
    /// Reads the price lines of `trace`. A database that is away costs their names only.
    async fn of(world: Arc<World>, store: &Store, trace: &Trace) -> Known {
        let mut ids: Vec<RateId> = trace
            .steps()
            .flat_map(|step| step.parameters())
            .filter(|(name, _)| Thing::of(name) == Some(Thing::Rate))
            .filter_map(|(_, id)| id.parse().ok().map(RateId))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let rates = store.reader().rates_of(&ids).await.unwrap_or_default();
        let name = |rate: &strowger_model::Rate| {
            let currency = world.tariff(rate.tariff).map(|deck| deck.tariff().currency);
            let currency = currency.map(|currency| currency.code().to_owned()).unwrap_or_default();
            let price = short(&print_decimal(rate.price.0, PRICE_DIGITS));
            (rate.id.0, format!("prefix {}, {price} {currency} a minute", rate.prefix))
        };
        let rates = rates.iter().map(name).collect();
        Known { world, rates }
    }
}

/// A decimal without the zeros at its end, but with two digits behind the point.
fn short(decimal: &str) -> String {
    let Some((whole, part)) = decimal.split_once('.') else { return decimal.to_owned() };
    let part = part.trim_end_matches('0');
    format!("{whole}.{part:0<2}")
}

const fn audience(eyes: TraceEyes) -> Audience {
    match eyes {
        TraceEyes::Operator => Audience::Operator,
        TraceEyes::Party => Audience::Party,
    }
}

fn steps(said: Vec<Said>) -> Vec<TraceStep> {
    let step = |said: Said| {
        let Said { code, parameters, sentence } = said;
        TraceStep { code, parameters, sentence }
    };
    said.into_iter().map(step).collect()
}

/// A stored trace, then what the record says.
pub(crate) async fn explain(world: Arc<World>, store: &Store, order: TraceOrder) -> TraceWords {
    let TraceOrder { steps: bytes, record, eyes } = order;
    let trace = if bytes.is_empty() { Trace::default() } else { Trace::from_bytes(&bytes) };
    let names = Known::of(world, store, &trace).await;
    let eyes = audience(eyes);
    let afterwards = record.map(|cdr| aftermath(&cdr, &names, eyes)).unwrap_or_default();
    TraceWords { decision: steps(trace.told(&names, eyes)), afterwards: steps(afterwards) }
}

/// A decision that nobody carries out, and the world it was made in.
pub(crate) struct Tried {
    decision: Decision,
    world: Arc<World>,
}

impl Tried {
    /// What has to be found out first, and how long that may take.
    pub(crate) fn wanted(&self) -> Option<(Query, Duration)> {
        let Verdict::Need(query) = &self.decision.verdict else { return None };
        let wait_ms = self.world.settings().system().fact.wait_ms;
        Some((query.clone(), Duration::from_millis(wait_ms.into())))
    }
}

/// Decides, on the decider's thread.
///
/// # Errors
/// [`RouteRefusal`].
pub(crate) fn decide(
    office: &Office,
    test: &RouteTest,
    known: Vec<Fact>,
    now: Tick,
    at_us: i64,
) -> Result<Tried, RouteRefusal> {
    let world = office.world();
    let from = sender(world, test)?;
    let run = DryRun {
        from,
        called: test.called.clone(),
        caller: test.caller.clone(),
        draw: at_us.cast_unsigned(),
        known: Some(known),
    };
    let known = (office.standing(), office.shared_calls());
    let decision = dry_run(world, office.locations(), known, &run, (now, at_us));
    let decision = decision.map_err(|why| match why {
        NoDryRun::NoSubscriber | NoDryRun::NoTrunk => RouteRefusal::NoSender,
        NoDryRun::NoSource => RouteRefusal::NoSource,
    })?;
    Ok(Tried { decision, world: Arc::clone(world) })
}

fn sender(world: &World, test: &RouteTest) -> Result<Caller, RouteRefusal> {
    let covers = |tenant: &TenantId| is_within(test.scope, *tenant);
    let tenant_fits =
        |tenant: &TenantId| covers(tenant) && test.tenant.is_none_or(|named| named == *tenant);
    match &test.sender {
        RouteSender::Subscriber(id) => {
            let found = world.subscriber(*id).filter(|row| tenant_fits(&row.tenant));
            found.map(|row| Caller::Subscriber(row.id)).ok_or(RouteRefusal::NoSender)
        }
        RouteSender::Username(name) => {
            let tenant = tenant(world, test)?;
            let found = world.subscriber_named(tenant, name);
            found.map(|row| Caller::Subscriber(row.id)).ok_or(RouteRefusal::NoSender)
        }
        RouteSender::Trunk(name, source) => {
            let by_id = name.parse().ok().and_then(|id| world.trunk(TrunkId(id)));
            let by_name = || world.trunks().find(|row| row.name == *name && covers(&row.tenant));
            let found = by_id.or_else(by_name).filter(|row| tenant_fits(&row.tenant));
            found.map(|row| Caller::Trunk(row.id, *source)).ok_or(RouteRefusal::NoSender)
        }
    }
}

/// Whether whole tenants may be tried by who sees so much.
fn is_within(scope: Scope, tenant: TenantId) -> bool {
    scope.covers(&Owned { tenant: Some(tenant), ..Owned::default() })
}

/// The tenant of a sender by name: the one named, else the only one in scope.
fn tenant(world: &World, test: &RouteTest) -> Result<TenantId, RouteRefusal> {
    if let Some(named) = test.tenant {
        let found = world.tenant(named).filter(|row| is_within(test.scope, row.id));
        return found.map(|row| row.id).ok_or(RouteRefusal::NoSender);
    }
    let mut all = world.tenants().map(|row| row.id).filter(|id| is_within(test.scope, *id));
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(RouteRefusal::NoSender),
        (Some(_), Some(_)) => Err(RouteRefusal::WhichTenant),
    }
}

/// Says it in words.
pub(crate) async fn tell(tried: Tried, store: &Store, at_us: i64, eyes: TraceEyes) -> RouteTested {
    let Tried { decision, world } = tried;
    let names = Known::of(world, store, &decision.trace).await;
    let said = steps(decision.trace.told(&names, audience(eyes)));
    let (verdict, stages, payers) = match decision.verdict {
        Verdict::Go(plan) => {
            let settlement = Settlement::decode(&plan.go.settlement.0).ok();
            let settlement = settlement.as_ref();
            let payers = settlement.map(|s| s.levels.as_slice()).unwrap_or_default();
            let payers = payers.iter().map(|level| payer(level, &names)).collect();
            (RouteVerdict::Go, stages(&plan.go, settlement, &names, eyes), payers)
        }
        Verdict::Refuse(refuse) => {
            let (cause, reason) = (refuse.cause, refuse.reason as u8);
            let verdict = RouteVerdict::Refuse { sip: cause.sip, q850: cause.q850, reason };
            (verdict, Vec::new(), Vec::new())
        }
        // A call is answered by no other of them.
        Verdict::Challenge(_) | Verdict::Registered(_) | Verdict::Respond(_) | Verdict::Need(_) => {
            (RouteVerdict::Challenge, Vec::new(), Vec::new())
        }
    };
    // Which trunks there are, and what they take, is the operator's.
    let places = if eyes == TraceEyes::Operator { decision.places } else { Vec::new() };
    let targets = places.into_iter().map(|place| target(place, &names)).collect();
    RouteTested { at_us, verdict, stages, payers, steps: said, targets }
}

fn target(place: RoutePlace, names: &Known) -> RouteTarget {
    RouteTarget {
        trunk: place.trunk,
        name: names.name(Thing::Trunk, place.trunk.0),
        priority: place.priority,
        failed: (place.failed, place.failed_here),
        probes: place.probes,
        rank: place.rank,
        asr_percent: place.asr_percent,
        acd_ms: place.acd_ms,
        talked_ms: place.talked.map(|talked| [talked.day_ms, talked.month_ms]),
        cost: Some((place.cost, place.currency)),
        preference: place.preference,
        weight: place.weight,
    }
}

fn payer(level: &Level, names: &Known) -> RoutePayer {
    let (terms, measure) = (&level.terms, &level.terms.pricing.measure);
    RoutePayer {
        account: level.account,
        name: names.name(Thing::Account, level.account.0),
        price: terms.pricing.prices.at(measure.free_ms.into()),
        currency: terms.pricing.currency,
        tariff: terms.tariff,
        rate: terms.rate,
        step_ms: measure.step_ms.get(),
        minimum_ms: measure.minimum_ms,
    }
}

fn stages(
    go: &Go,
    settlement: Option<&Settlement>,
    names: &Known,
    eyes: TraceEyes,
) -> Vec<Vec<RouteBranch>> {
    let stage = |branches: &Vec<Branch>| {
        branches.iter().map(|branch| one(branch, settlement, names, eyes)).collect()
    };
    go.stages.iter().map(|s| stage(&s.branches)).collect()
}

fn one(
    branch: &Branch,
    settlement: Option<&Settlement>,
    names: &Known,
    eyes: TraceEyes,
) -> RouteBranch {
    let (trunk, subscriber) = match branch.party {
        PartyRef::Unknown => (None, None),
        PartyRef::Trunk(id) => (Some(TrunkId(id)), None),
        PartyRef::Subscriber(id) => (None, Some(SubscriberId(id))),
    };
    let hop = settlement.and_then(|s| s.hops.get(usize::from(branch.hop)));
    // A supplier's price stands beside its own trunk only.
    let hop = hop.filter(|hop| Some(hop.trunk) == trunk);
    let price = hop.and_then(|hop| hop.terms).map(|terms| {
        let pricing = terms.pricing;
        (pricing.prices.at(pricing.measure.free_ms.into()), pricing.currency)
    });
    let name = trunk
        .and_then(|id| names.name(Thing::Trunk, id.0))
        .or_else(|| subscriber.and_then(|id| names.name(Thing::Subscriber, id.0)));
    let all = RouteBranch {
        trunk,
        subscriber,
        name,
        dialled: branch.dialed.clone(),
        address: Some(branch.target.address),
        caller: branch.from_user.clone(),
        asserted: branch.asserted.clone(),
        anonymous: branch.anonymous,
        ring_ms: branch.ring_ms,
        headers: branch.headers.iter().map(header).collect(),
        price,
        supplier: hop.map(|hop| hop.account),
    };
    // Where a call leaves for a carrier is the operator's.
    if eyes == TraceEyes::Party && trunk.is_some() {
        let (trunk, name, address, price, supplier) = (None, None, None, None, None);
        let headers = Vec::new();
        return RouteBranch { trunk, name, address, headers, price, supplier, ..all };
    }
    all
}

fn header(field: &strowger_link::HeaderField) -> (String, String) {
    (field.name.clone(), String::from_utf8_lossy(&field.value.0).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_said_short() {
        for (decimal, said) in [
            ("0.060000000", "0.06"),
            ("1.000000000", "1.00"),
            ("0.000450000", "0.00045"),
            ("7", "7"),
        ] {
            assert_eq!(short(decimal), said);
        }
    }
}
