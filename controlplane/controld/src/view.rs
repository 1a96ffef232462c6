//! What REST shows of what runs: every question is put to the decider's thread as a closure.

use crate::decider::{Order, Orders, Shared};
use crate::explain;
use crate::fact::Desk;
use crate::ladder::Ladders;
use crate::list::Lists;
use crate::log::LINES;
use crate::money::Cashier;
use crate::ported::Table;
use crate::radius::Accounting;
use crate::replay::Replays;
use crate::standing;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use strowger_api::{
    AccountBalance, AccountHold, AllowancePool, Api, Behind, CallId, CallMessages, CallSound,
    CallState, CertificateStanding, Contact, Doors, HostStanding, ListOrder, ListSeen, Live,
    LiveCall, LogLine, LogOrder, LoginStanding, MessagesOrder, MetricsWriter, MoneyOrder,
    MoneyRefusal, PortedOrder, PortedSeen, Readiness, Registration, RegistrationKey, ReplayOrder,
    ReplayRefusal, ReplayStanding, Reply, RouteRefusal, RouteTest, RouteTested, Stranger,
    TraceOrder, TraceWords, TrunkFailure, Unavailable,
};
use strowger_link::{
    AskId, COUNTERS, Cause, Hangup, LISTENER_COUNTERS, Listeners, LiveState, Reason, UpstreamPhase,
};
use strowger_model::{
    AccountId, Allowance, AllowanceId, Binding, CdrId, Digits, NumberListId, OrganizationId,
    SubscriberId, TenantId, TrunkId, audio_so_far, false_answer, worst_score,
};
use strowger_numbering::Ported;
use strowger_office::{Counts, LiveCall as OfficeCall, Office, Pool};
use strowger_port::clock;
use strowger_routing::{Fact, Holder, kept, way};
use strowger_store::{MoneyRequest, NewAllowance, Owned, Scope, Store};
use tokio::sync::{oneshot, watch};
use tracing::{error, info};

/// Registrations looked through for one page.
const REGISTRATIONS_MAX: usize = 100_000;

/// The view of REST on the process.
pub(crate) struct View {
    orders: Orders,
    shared: Arc<Shared>,
    store: Store,
    cashier: Cashier,
    ladders: Ladders,
    replays: Replays,
    ported: Table,
    lists: Lists,
    facts: Desk,
    accounting: Accounting,
}

impl View {
    pub(crate) fn new(
        orders: Orders,
        shared: Arc<Shared>,
        cashier: Cashier,
        (ladders, ported, lists): (Ladders, Table, Lists),
        (facts, accounting): (Desk, Accounting),
    ) -> View {
        let store = cashier.store().clone();
        let replays = Replays::default();
        View { orders, shared, store, cashier, ladders, replays, ported, lists, facts, accounting }
    }

    /// Whether the newest configuration is in force.
    fn write_world(&self, writer: &mut MetricsWriter) {
        let Ok(behind) = self.shared.behind.lock() else { return };
        let help = "The newest change of the configuration is in force.";
        writer.gauge("strowger_world_current", help).sample(&[], behind.is_none().into());
        let age_us = |behind: &Behind| clock::wall_us().saturating_sub(behind.since_us);
        let age_us = behind.as_ref().map_or(0, age_us);
        let help = "How long there has been a change that is not in force; 0 when there is none.";
        writer
            .gauge("strowger_world_behind_seconds", help)
            .seconds(&[], u64::try_from(age_us).unwrap_or(0));
    }

    /// Registrations at carriers and host names, by how they stand.
    fn write_carriers(&self, writer: &mut MetricsWriter) {
        if let Ok(states) = self.shared.upstreams.lock() {
            let mut family =
                writer.gauge("strowger_upstreams", "Logins at carriers, by their state.");
            for (word, phase) in [
                ("trying", UpstreamPhase::Trying),
                ("registered", UpstreamPhase::Registered),
                ("failed", UpstreamPhase::Failed),
                ("refused", UpstreamPhase::Refused),
            ] {
                let count = states.values().filter(|state| state.phase == phase).count();
                family.sample(&[("state", word)], count as u64);
            }
        }
        if let Ok(names) = self.shared.names.lock() {
            let failed = names.values().filter(|standing| standing.failure.is_some()).count();
            let mut family = writer.gauge("strowger_host_names", "Host names, by last look-up.");
            family.sample(&[("state", "resolved")], (names.len() - failed) as u64);
            family.sample(&[("state", "failed")], failed as u64);
        }
    }

    /// Decides on a call that nobody makes, with what the outside says of it.
    async fn try_route(
        &self,
        test: RouteTest,
        at_us: i64,
    ) -> Result<Result<explain::Tried, RouteRefusal>, Unavailable> {
        let mut known = Vec::new();
        loop {
            let (test, so_far) = (test.clone(), known.clone());
            let tried = self.ask(move |office| {
                explain::decide(office, &test, so_far, clock::monotonic(), at_us)
            });
            let tried = match tried.await? {
                Ok(tried) => tried,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let Some((query, wait)) = tried.wanted() else { return Ok(Ok(tried)) };
            let finding = self.facts.find(query.clone(), wait).await;
            // Each round knows a fact more, until no more are asked for.
            known.push(Fact { query, finding });
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Office) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        ask(&self.orders, question).await
    }
}

/// Puts a question to the decider's thread.
pub(crate) async fn ask<T: Send + 'static>(
    orders: &Orders,
    question: impl FnOnce(&mut Office) -> T + Send + 'static,
) -> Result<T, Unavailable> {
    let (reply, answer) = oneshot::channel();
    let order = Order::Query(Box::new(move |office| {
        // The asker may have gone away.
        let _gone = reply.send(question(office));
    }));
    let orders = orders.clone();
    // Giving an order may wait for room, which must not hold up the runtime.
    let given = tokio::task::spawn_blocking(move || orders.give(order)).await;
    if !matches!(given, Ok(true)) {
        return Err(Unavailable);
    }
    answer.await.map_err(|_| Unavailable)
}

/// The worst score of a call so far.
fn score(call: &OfficeCall) -> Option<u16> {
    let [caller, called] = call.sound.as_deref()?;
    worst_score(caller, called)
}

/// How a call sounds, for people.
fn sound(call: &OfficeCall, now_us: i64) -> Option<Box<CallSound>> {
    let [caller, called] = call.sound.as_deref()?.clone();
    let talk_us = call.answered_us.map(|answered| now_us.saturating_sub(answered));
    let talk_ms = talk_us.and_then(|us| u64::try_from(us / 1_000).ok());
    let audio = talk_ms.and_then(|talk_ms| audio_so_far(talk_ms, &caller, &called));
    let false_answer = talk_ms.and_then(|_| false_answer(&caller, &called));
    Some(Box::new(CallSound { caller, called, audio, false_answer }))
}

fn live_call(call: &OfficeCall) -> LiveCall {
    LiveCall {
        id: CallId(call.ask.0),
        record: call.record.map(|record| CdrId(record.0)),
        tenant: call.tenant,
        state: match call.state {
            LiveState::Dialing => CallState::Dialing,
            LiveState::Ringing => CallState::Ringing,
            LiveState::Speaking => CallState::Speaking,
            LiveState::Held => CallState::Held,
            LiveState::Ended => CallState::Ended,
        },
        account: call.account,
        subscriber: call.subscriber,
        trunk: call.trunk,
        caller: call.caller.clone(),
        called: call.called.clone(),
        started_us: call.started_us,
        answered_us: call.answered_us,
        sound: sound(call, clock::wall_us()),
    }
}

/// Most organizations above one; the store keeps trees lower than that.
const ABOVE_MAX: usize = 32;

/// Whether a caller with `scope` may see what belongs to these.
fn is_seen(
    office: &Office,
    scope: Scope,
    tenant: Option<TenantId>,
    account: Option<AccountId>,
    subscriber: Option<SubscriberId>,
) -> bool {
    let world = office.world();
    let of_subscriber = subscriber.and_then(|id| world.subscriber(id)).map(|s| s.organization);
    let of_account = account.and_then(|id| world.account(id)).map(|a| a.organization);
    let first = of_account.or(of_subscriber);
    let above = |id: &OrganizationId| world.organization(*id).and_then(|o| o.parent);
    let organizations = std::iter::successors(first, above).take(ABOVE_MAX).collect();
    let supplier = None;
    scope.covers(&Owned { tenant, organizations, account, supplier, subscriber })
}

fn is_call_seen(office: &Office, scope: Scope, call: &OfficeCall) -> bool {
    is_seen(office, scope, call.tenant, call.account, call.subscriber)
}

fn is_binding_seen(office: &Office, scope: Scope, binding: &Binding) -> bool {
    office
        .world()
        .subscriber(binding.subscriber)
        .is_some_and(|s| is_seen(office, scope, Some(s.tenant), Some(s.account), Some(s.id)))
}

fn ported_seen(table: &Ported, number: Option<Digits>) -> PortedSeen {
    let routed = number.and_then(|number| table.find(&number)?.routed(&number));
    PortedSeen { numbers: table.len() as u64, bytes: table.bytes() as u64, routed }
}

fn registration(office: &Office, binding: &Binding) -> Option<Registration> {
    let subscriber = office.world().subscriber(binding.subscriber)?;
    Some(Registration {
        tenant: subscriber.tenant,
        username: subscriber.username.clone(),
        contact: contact(office, Holder::Subscriber(subscriber.id), binding),
    })
}

/// A contact and how it is reached.
fn contact(office: &Office, who: Holder, binding: &Binding) -> Contact {
    let (world, locations, now) = (office.world(), office.locations(), clock::monotonic());
    let reach = way(world, who, binding);
    let until = locations.contact(who, &binding.uri, now).map(|(_, until)| until);
    let kept = until.and_then(|until| kept(world, who, binding, now, until));
    Contact {
        binding: binding.clone(),
        target: reach.address,
        nated: reach.nated,
        kept_alive: kept.is_some(),
        lost: locations.is_lost(who, &binding.uri),
    }
}

impl Live for View {
    fn calls(
        &self,
        scope: Scope,
        (after, limit): (Option<CallId>, usize),
        mos_below: Option<u16>,
    ) -> Reply<'_, Vec<LiveCall>> {
        Box::pin(self.ask(move |office| {
            let behind = |ask: &AskId| after.is_none_or(|after| ask.0 > after.0);
            let is_worse = |call: &OfficeCall| {
                mos_below.is_none_or(|below| score(call).is_some_and(|score| score < below))
            };
            let calls = office.live().iter().filter(|(ask, call)| behind(ask) && is_worse(call));
            let seen = calls.filter(|(_, call)| is_call_seen(office, scope, call));
            seen.take(limit).map(|(_, call)| live_call(call)).collect()
        }))
    }

    fn call(&self, scope: Scope, id: CallId) -> Reply<'_, Option<LiveCall>> {
        Box::pin(self.ask(move |office| {
            let call = office.live().get(&AskId(id.0));
            call.filter(|call| is_call_seen(office, scope, call)).map(live_call)
        }))
    }

    fn hangup(&self, scope: Scope, id: CallId, actor: String) -> Reply<'_, bool> {
        Box::pin(self.ask(move |office| {
            let ask = AskId(id.0);
            let call = office.live().get(&ask);
            if !call.is_some_and(|call| is_call_seen(office, scope, call)) {
                return false;
            }
            info!(call = id.0, actor, "hang up by an operator");
            let cause = Cause::new(480, 16);
            let args = Hangup { leg: None, cause, reason: Reason::Operator };
            office.hang_up(ask, &args).is_some()
        }))
    }

    fn registrations(
        &self,
        scope: Scope,
        after: Option<RegistrationKey>,
        limit: usize,
    ) -> Reply<'_, Vec<Registration>> {
        Box::pin(self.ask(move |office| {
            let now = clock::monotonic();
            let mut all = office.locations().list(None, REGISTRATIONS_MAX, now);
            all.sort_by_key(|binding| RegistrationKey::of(binding));
            let is_behind =
                |b: &&Binding| after.as_ref().is_none_or(|a| RegistrationKey::of(b) > *a);
            let behind = all.into_iter().filter(is_behind);
            let seen = behind.filter(|binding| is_binding_seen(office, scope, binding));
            seen.filter_map(|binding| registration(office, binding)).take(limit).collect()
        }))
    }

    fn balances(&self, accounts: Vec<AccountId>) -> Reply<'_, Vec<AccountBalance>> {
        Box::pin(self.ask(move |office| {
            let balance = |account: AccountId| {
                let balance = office.balance(account)?;
                Some(AccountBalance {
                    account,
                    balance: balance.total(),
                    held: balance.held,
                    available: balance.available,
                    calls: balance.calls,
                    spent: office.spent(account, clock::wall_us()),
                    most: office.spend_max(account, clock::wall_us()),
                })
            };
            accounts.into_iter().filter_map(balance).collect()
        }))
    }

    fn holds(
        &self,
        account: AccountId,
        after: Option<CallId>,
        limit: usize,
    ) -> Reply<'_, Vec<AccountHold>> {
        Box::pin(self.ask(move |office| {
            let holds = office.holds_of(account, after.map(|after| AskId(after.0)));
            let shown = holds.map(|(ask, hold)| AccountHold {
                call: CallId(ask.0),
                amount: hold.amount,
                granted_ms: (hold.granted.ms != u64::MAX).then_some(hold.granted.ms),
                last: hold.granted.last,
                answered: hold.answered,
            });
            shown.take(limit).collect()
        }))
    }

    fn move_money(&self, order: MoneyOrder) -> Reply<'_, Result<MoneyRequest, MoneyRefusal>> {
        // A task of its own: it goes to its end when the asker goes away.
        let task = tokio::spawn(self.cashier.clone().move_money(order));
        Box::pin(async { task.await.map_err(|_| Unavailable)? })
    }

    fn logins(&self, trunk: TrunkId) -> Reply<'_, Vec<LoginStanding>> {
        Box::pin(self.ask(move |office| {
            let (now, wall_us) = (clock::monotonic(), clock::wall_us());
            standing::logins(office, trunk, now, wall_us)
        }))
    }

    fn trunk_contacts(&self, trunk: TrunkId) -> Reply<'_, Vec<Contact>> {
        Box::pin(self.ask(move |office| {
            let who = Holder::Trunk(trunk);
            let all = office.locations().of(who, clock::monotonic());
            all.map(|binding| contact(office, who, binding)).collect()
        }))
    }

    fn forget_contacts(
        &self,
        who: Holder,
        contact: Option<String>,
        actor: String,
    ) -> Reply<'_, usize> {
        Box::pin(self.ask(move |office| {
            let gone = office.forget_contacts(who, contact.as_deref(), clock::monotonic());
            info!(?who, gone, actor, "contacts forgotten by an operator");
            gone
        }))
    }

    fn hosts(&self, trunk: TrunkId) -> Reply<'_, Vec<HostStanding>> {
        let known = Arc::clone(&self.shared.names);
        Box::pin(self.ask(move |office| standing::hosts(office.world(), trunk, &known)))
    }

    fn failures(&self, trunk: TrunkId) -> Reply<'_, Vec<TrunkFailure>> {
        Box::pin(self.ask(move |office| standing::failures(office, trunk)))
    }

    fn restore(&self, trunk: TrunkId) -> Reply<'_, ()> {
        Box::pin(self.ask(move |office| office.restore_trunk(trunk)))
    }

    fn pools(&self, allowances: Vec<AllowanceId>) -> Reply<'_, Vec<AllowancePool>> {
        Box::pin(self.ask(move |office| {
            let pool = |allowance: AllowanceId| {
                let none = AllowancePool::none(allowance);
                if let Some(Pool { used_ms, reserved_ms, .. }) = office.till().pool(allowance) {
                    return Some(AllowancePool { used_ms, reserved_ms, ..none });
                }
                let packet = office.till().packet(allowance)?;
                Some(AllowancePool { used: packet.used, ..none })
            };
            allowances.into_iter().filter_map(pool).collect()
        }))
    }

    fn give(&self, new: NewAllowance) -> Reply<'_, Result<Allowance, MoneyRefusal>> {
        let task = tokio::spawn(self.cashier.clone().give(new));
        Box::pin(async { task.await.map_err(|_| Unavailable)? })
    }

    fn explain(&self, order: TraceOrder) -> Reply<'_, TraceWords> {
        Box::pin(async {
            let world = self.ask(|office| Arc::clone(office.world())).await?;
            Ok(explain::explain(world, &self.store, order).await)
        })
    }

    fn begin_replay(&self, order: ReplayOrder) -> Reply<'_, Result<ReplayStanding, ReplayRefusal>> {
        Box::pin(async {
            let world = self.ask(|office| Arc::clone(office.world())).await?;
            Ok(self.replays.begin(&world, self.store.reader(), order))
        })
    }

    fn replays(&self) -> Reply<'_, Vec<ReplayStanding>> {
        Box::pin(async { Ok(self.replays.all()) })
    }

    fn end_replay(&self, id: u64) -> Reply<'_, bool> {
        Box::pin(async move { Ok(self.replays.end(id)) })
    }

    fn test_route(&self, test: RouteTest) -> Reply<'_, Result<RouteTested, RouteRefusal>> {
        Box::pin(async move {
            let eyes = test.eyes;
            let at_us = test.at_us.unwrap_or_else(strowger_port::clock::wall_us);
            match self.try_route(test, at_us).await? {
                Ok(tried) => Ok(Ok(explain::tell(tried, &self.store, at_us, eyes).await)),
                Err(refusal) => Ok(Err(refusal)),
            }
        })
    }

    fn messages(&self, order: MessagesOrder) -> Reply<'_, CallMessages> {
        let ladders = self.ladders.clone();
        let task = tokio::task::spawn_blocking(move || ladders.find(&order));
        Box::pin(async { task.await.map_err(|_| Unavailable) })
    }

    fn strangers(&self, limit: usize) -> Reply<'_, Vec<Stranger>> {
        Box::pin(self.ask(move |office| {
            let all = office.strangers().list(limit).into_iter();
            all.map(|(minute_us, source, attempts)| {
                let strowger_office::Attempts { challenged, refused } = attempts;
                Stranger { minute_us, source, challenged, refused }
            })
            .collect()
        }))
    }

    fn log_lines(&self, order: LogOrder) -> Reply<'_, Vec<LogLine>> {
        Box::pin(async move { Ok(LINES.find(&order)) })
    }

    fn certificates(&self) -> Reply<'_, Vec<CertificateStanding>> {
        Box::pin(async { Ok(self.shared.certificates.all()) })
    }

    fn ported(&self, number: Option<Digits>) -> Reply<'_, PortedSeen> {
        Box::pin(async move { Ok(ported_seen(&self.ported.now(), number)) })
    }

    fn import_ported(&self, order: PortedOrder) -> Reply<'_, Result<PortedSeen, String>> {
        Box::pin(async move {
            let table = self.ported.clone();
            let PortedOrder { list, adds, actor } = order;
            let task = tokio::task::spawn_blocking(move || table.take(&list, adds, &actor));
            let taken = task.await.map_err(|_| Unavailable)?;
            Ok(taken.map(|table| ported_seen(&table, None)))
        })
    }

    fn list_entries(&self, list: NumberListId, number: Option<Digits>) -> Reply<'_, ListSeen> {
        Box::pin(async move { Ok(self.lists.seen(list, number)) })
    }

    fn change_list(&self, order: ListOrder) -> Reply<'_, Result<ListSeen, String>> {
        // A task of its own: it goes to its end when the asker goes away.
        let task = tokio::spawn(self.lists.clone().change(order));
        Box::pin(async {
            let changed = task.await.map_err(|_| Unavailable)?;
            changed.map_err(|()| Unavailable)
        })
    }

    fn readiness(&self) -> Reply<'_, Readiness> {
        Box::pin(async {
            let known = |office: &mut Office| {
                let world = office.world();
                let open: Vec<String> =
                    world.open_trunks().map(|trunk| format!("trunk {}", trunk.id)).collect();
                (world.tenants().next().is_some(), open)
            };
            let (world, open) = self.ask(known).await.unwrap_or_default();
            Ok(Readiness {
                link: self.shared.linked.load(Ordering::Acquire),
                database: self.store.ping().await.is_ok(),
                world,
                behind: self.shared.behind.lock().map_or(None, |behind| behind.clone()),
                certificates: self.shared.certificates.problem(clock::wall_us()),
                open: (!open.is_empty()).then(|| open.join(", ")),
            })
        })
    }

    fn metrics(&self, writer: &mut MetricsWriter) {
        let linked = u64::from(self.shared.linked.load(Ordering::Acquire));
        writer.gauge("strowger_linked", "The planes are linked.").sample(&[], linked);
        self.write_world(writer);
        let open = self.shared.open_trunks.load(Ordering::Relaxed);
        let help = "Trunks by which everybody may call out.";
        writer.gauge("strowger_open_trunks", help).sample(&[], open);
        let latency = &self.shared.latency_us;
        let mut family = writer.gauge(
            "strowger_decision_seconds",
            "Time from an ask's arrival to its answer, since the start.",
        );
        for (quantile, value) in ["0.5", "0.99", "1"].into_iter().zip(latency) {
            family.seconds(&[("quantile", quantile)], value.load(Ordering::Relaxed));
        }
        if let Ok(counts) = self.shared.counts.lock() {
            write_office(writer, &counts);
        }
        if let Ok(listeners) = self.shared.listeners.lock() {
            write_listeners(writer, listeners.values());
        }
        let [written, dropped, waiting] = self.shared.traces.counts();
        let mut family = writer.counter("strowger_traces_total", "Traces, by what became of them.");
        family.sample(&[("outcome", "written")], written);
        family.sample(&[("outcome", "dropped")], dropped);
        let waits = "Traces that wait for the database.";
        writer.gauge("strowger_traces_waiting", waits).sample(&[], waiting);
        self.write_carriers(writer);
        self.facts.write(writer);
        self.accounting.write(writer);
        self.shared.certificates.write(writer, clock::wall_us());
        let Ok(counters) = self.shared.counters.lock() else { return };
        if counters.is_empty() {
            return;
        }
        let mut family =
            writer.gauge("strowger_shard", "Counters and gauges of a shard, by their name.");
        for counters in counters.values() {
            let shard = counters.shard.to_string();
            for (name, value) in COUNTERS.iter().zip(&counters.values) {
                family.sample(&[("shard", &shard), ("name", name)], *value);
            }
        }
    }
}

/// What the sockets of SIP counted, each listener by itself.
fn write_listeners<'a>(writer: &mut MetricsWriter, all: impl Iterator<Item = &'a Listeners>) {
    let help = "Datagrams of a SIP listener, by what became of them.";
    let mut all = all.peekable();
    if all.peek().is_none() {
        return;
    }
    // Of all shards: a family may begin once.
    let mut family = writer.counter("strowger_sip_listener_total", help);
    for of in all {
        let shard = of.shard.to_string();
        for (index, listener) in of.listeners.iter().enumerate() {
            let (index, local) = (index.to_string(), listener.local.to_string());
            let advertised = listener.advertised.to_string();
            for (name, value) in LISTENER_COUNTERS.iter().zip(&listener.values) {
                let labels = [
                    ("shard", shard.as_str()),
                    ("listener", &index),
                    ("local", &local),
                    ("advertised", &advertised),
                    ("name", name),
                ];
                family.sample(&labels, *value);
            }
        }
    }
}

fn write_office(writer: &mut MetricsWriter, counts: &Counts) {
    let mut asks = writer.counter("strowger_asks_total", "Asks of the dataplane, by kind.");
    for (kind, value) in [
        ("call", counts.calls),
        ("register", counts.registrations),
        ("extend", counts.extensions),
        ("redirect", counts.redirects),
        ("name", counts.names),
        ("other", counts.others),
        ("expired", counts.expired),
    ] {
        asks.sample(&[("kind", kind)], value);
    }
    let mut calls = writer.counter("strowger_calls_total", "Attempts, by what became of them.");
    calls.sample(&[("verdict", "admitted")], counts.admitted);
    calls.sample(&[("verdict", "refused")], counts.refused);
    let missing = "Facts that a call was decided without, because nobody said them in time.";
    writer.counter("strowger_facts_missing_total", missing).sample(&[], counts.facts_missing);
    let waiting = "Calls that wait for the outside.";
    writer.gauge("strowger_asks_waiting", waiting).sample(&[], counts.waiting);
    let lengthened = "Calls lengthened unasked, because money came in.";
    writer.counter("strowger_lengthened_total", lengthened).sample(&[], counts.lengthened);
    writer.counter("strowger_records_total", "Records settled.").sample(&[], counts.settled);
    writer.counter("strowger_till_alarms_total", "Alarms of the till.").sample(&[], counts.alarms);
}

/// Serves REST until told to stop.
pub(crate) async fn serve(doors: Doors, api: Api, mut stopped: watch::Receiver<bool>) {
    let shutdown = async move {
        // A sender that is gone means the end, too.
        let _ended = stopped.wait_for(|stop| *stop).await;
    };
    if let Err(e) = strowger_api::serve(doors, api, shutdown).await {
        error!("REST has ended: {e}");
    }
}
