//! Servers are told of calls (RFC 2866): the beginning and the end of every answered one.
//!
//! The intake reads both from the journal, as it reads records, and they go into the queue of the
//! database in the transaction that moves the cursor: a kill loses none and doubles none. A task
//! takes them out when a server has answered. One that answered just before a kill is told again;
//! its session says that it is the same.
//!
//! | an event | what happens | next |
//! |---|---|---|
//! | in the journal | nobody is told of its tenant's calls | nothing of it is kept |
//! | in the journal | the queue has [`QUEUE_MAX`] | lost, counted, an error in the log |
//! | in the journal | else | in the queue with its record |
//! | in the queue | a server answers | gone |
//! | in the queue | nobody answers | in the queue; its tenant waits, twice as long each time |
//! | in the queue | [`KEPT`] is over | lost, counted, an error in the log |
//!
//! Events of one session are told in their order, those of different tenants do not wait for each
//! other. Nothing of this is on a call's way.

use super::Radius;
use super::attribute::{put_call, put_own};
use super::group::Group;
use crate::run::{Until, chain};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use strowger_api::MetricsWriter;
use strowger_billing::{Mode, Settlement, classes, records};
use strowger_link::codec::decode;
use strowger_link::{CallFacts, Reason, Tick};
use strowger_model::{
    Cdr, RadiusPurpose, RadiusServer, RadiusValue, TenantId, print_decimal, reason_name,
};
use strowger_port::clock;
use strowger_radius::{BadPacket, Request, kind};
use strowger_store::{RadiusEvent, Store, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

/// Most events in the queue.
pub(crate) const QUEUE_MAX: u64 = 100_000;
/// How long an event is kept for a server that does not answer.
const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// How often what is kept too long is looked for.
const FORGET: Duration = Duration::from_secs(3_600);
/// How long an exchange may take, over all servers in turn.
const PATIENCE: Duration = Duration::from_secs(60);
/// First wait after nobody answered, and the longest.
const WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Longest sleep between looks at a queue that is not empty.
const LOOK: Duration = Duration::from_secs(1);
/// Values of Acct-Status-Type (RFC 2866 section 5.1).
const START: u32 = 1;
const STOP: u32 = 2;

/// What becomes of calls that servers are to be told of. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Accounting(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Anybody is told of any call.
    is_wanted: AtomicBool,
    /// Of whose.
    wish: RwLock<Wish>,
    /// Events in the queue.
    queued: AtomicU64,
    /// Events that servers have answered.
    told: AtomicU64,
    /// Attempts that nobody answered.
    silent: AtomicU64,
    /// Events that were lost.
    lost: AtomicU64,
    /// The last event found no room, and that was said.
    is_full: AtomicBool,
    /// Something came into the queue.
    news: Notify,
}

#[derive(Default)]
struct Wish {
    all: bool,
    tenants: BTreeSet<TenantId>,
}

/// What an event says, as it stands in the queue.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Told {
    start: bool,
    call: String,
    caller: String,
    called: String,
    received: String,
    from: String,
    source: String,
    sip_call_id: String,
    organization: Option<i64>,
    account: Option<i64>,
    subscriber: Option<i64>,
    trunk: Option<i64>,
    talk_s: u32,
    q850: u8,
    ended: u32,
    price: Option<String>,
    currency: Option<String>,
    class: Vec<Vec<u8>>,
}

impl Accounting {
    /// With so many events in the queue.
    pub(super) fn new(queued: u64) -> Accounting {
        Accounting(Arc::new(Inner { queued: AtomicU64::new(queued), ..Inner::default() }))
    }

    /// Those tenants have servers; `None` = all have.
    pub(super) fn wish(&self, of: impl Iterator<Item = Option<TenantId>>) {
        let mut wish = Wish::default();
        for tenant in of {
            match tenant {
                Some(tenant) => {
                    wish.tenants.insert(tenant);
                }
                None => wish.all = true,
            }
        }
        let is_wanted = wish.all || !wish.tenants.is_empty();
        if let Ok(mut place) = self.0.wish.write() {
            *place = wish;
        }
        self.0.is_wanted.store(is_wanted, Ordering::Release);
    }

    /// The beginnings of the calls of a `Start` frame.
    pub(crate) fn starts(&self, payload: &[u8]) -> Vec<RadiusEvent> {
        if !self.0.is_wanted.load(Ordering::Acquire) {
            return Vec::new();
        }
        // The intake tells of a frame that cannot be read when its call has ended.
        let Ok(mut facts) = decode::<CallFacts>(payload) else { return Vec::new() };
        // As if it ended now: its record has all that is known at the beginning.
        facts.close_at(Tick::default(), Reason::Normal);
        let class = class_of(&facts);
        self.events(&records(&facts, Mode::CalledLeg), &class, true)
    }

    /// The ends of answered calls: the records of an `Ended` frame.
    pub(crate) fn stops(&self, records: &[Cdr], payload: &[u8]) -> Vec<RadiusEvent> {
        if !self.0.is_wanted.load(Ordering::Acquire) || !records.iter().any(Cdr::is_answered) {
            return Vec::new();
        }
        let class = decode::<CallFacts>(payload).map(|facts| class_of(&facts));
        self.events(records, &class.unwrap_or_default(), false)
    }

    fn events(&self, records: &[Cdr], class: &[u8], start: bool) -> Vec<RadiusEvent> {
        let Ok(wish) = self.0.wish.read() else { return Vec::new() };
        let is_wanted = |tenant: TenantId| wish.all || wish.tenants.contains(&tenant);
        let event = |cdr: &Cdr| {
            let tenant = cdr.tenant.filter(|tenant| is_wanted(*tenant))?;
            let answered_us = cdr.times.answered_us?;
            let at_us = if start { answered_us } else { cdr.times.ended_us };
            let (session, body) =
                (session(cdr), serde_json::to_string(&told(cdr, class, start)).ok()?);
            Some(RadiusEvent { id: 0, tenant, at_us, session, body })
        };
        records.iter().filter_map(event).collect()
    }

    /// How many of so many events find room.
    pub(crate) fn room(&self, events: usize) -> usize {
        let room = QUEUE_MAX.saturating_sub(self.0.queued.load(Ordering::Acquire));
        usize::try_from(room).unwrap_or(usize::MAX).min(events)
    }

    /// So many are in the queue now, and so many found no room.
    pub(crate) fn queued(&self, kept: usize, lost: usize) {
        if kept == 0 && lost == 0 {
            return;
        }
        self.0.queued.fetch_add(kept as u64, Ordering::AcqRel);
        self.0.lost.fetch_add(lost as u64, Ordering::Relaxed);
        let was_full = self.0.is_full.swap(lost > 0, Ordering::AcqRel);
        if lost > 0 && !was_full {
            error!(lost, "the queue for RADIUS servers is full: they are not told of calls");
        }
        self.0.news.notify_one();
    }

    /// Families of metrics.
    pub(crate) fn write(&self, writer: &mut MetricsWriter) {
        let help = "Beginnings and ends of calls that RADIUS servers are told of, by outcome.";
        let mut family = writer.counter("strowger_radius_accounting_total", help);
        let Inner { told, silent, lost, queued, .. } = &*self.0;
        for (outcome, value) in [("told", told), ("silent", silent), ("lost", lost)] {
            family.sample(&[("outcome", outcome)], value.load(Ordering::Relaxed));
        }
        let help = "Beginnings and ends of calls that RADIUS servers are still to be told of.";
        let waiting = queued.load(Ordering::Relaxed);
        writer.gauge("strowger_radius_accounting_waiting", help).sample(&[], waiting);
    }

    fn left(&self, gone: u64) {
        let less = |queued: u64| Some(queued.saturating_sub(gone));
        let _before = self.0.queued.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
    }
}

/// The session of a record: its id, and of a forward its place among the parts.
fn session(cdr: &Cdr) -> String {
    match cdr.part {
        0 => cdr.id.0.to_string(),
        part => format!("{}-{part}", cdr.id.0),
    }
}

/// What the server that let a call through wants to hear again.
fn class_of(facts: &CallFacts) -> Vec<u8> {
    let settlement = Settlement::decode(&facts.settlement.0);
    settlement.map(|settlement| settlement.class).unwrap_or_default()
}

fn told(cdr: &Cdr, class: &[u8], start: bool) -> Told {
    let charge = cdr.customer.as_ref().filter(|_| !start);
    Told {
        start,
        call: cdr.id.0.to_string(),
        caller: cdr.caller.number.clone(),
        called: match cdr.called.normalised {
            Some(number) => number.as_str().to_owned(),
            None => cdr.called.received.clone(),
        },
        received: cdr.called.received.clone(),
        from: cdr.caller.from_user.clone(),
        source: cdr.caller.source.map(|source| source.ip().to_string()).unwrap_or_default(),
        sip_call_id: cdr.caller.sip_call_id.clone(),
        organization: cdr.caller.organization.map(|id| id.0),
        account: cdr.caller.account.map(|id| id.0),
        subscriber: cdr.caller.subscriber.map(|id| id.0),
        trunk: cdr.caller.trunk.map(|id| id.0),
        talk_s: u32::try_from(cdr.times.talk_ms.div_ceil(1_000)).unwrap_or(u32::MAX),
        q850: cdr.outcome.q850,
        ended: ended(cdr.outcome.reason),
        price: charge.map(|c| print_decimal(c.gross.0, c.currency.ledger_digits())),
        currency: charge.map(|c| c.currency.code().to_owned()),
        class: classes(class).map(<[u8]>::to_vec).collect(),
    }
}

/// Why it ended, as RFC 2866 section 5.10 counts.
fn ended(reason: u8) -> u32 {
    match reason_name(reason).unwrap_or_default() {
        "normal" => 1,
        "peer-silent" => 2,
        "no-media" => 4,
        "credit-ended" | "max-duration" => 5,
        "operator" => 6,
        "process-lost" | "host-lost" => 11,
        "peer-error" | "bad-media" | "impostor" | "internal" | "no-answer-from-control" => 9,
        // The switch wanted it.
        _ => 10,
    }
}

/// The request for one server.
fn request(event: &RadiusEvent, row: &RadiusServer, now_us: i64) -> Result<Request, BadPacket> {
    // One that cannot be read is of another release, and tells what the row itself says.
    let told: Told = serde_json::from_str(&event.body).unwrap_or_default();
    let seconds = |us: i64| u32::try_from(us / 1_000_000).unwrap_or_default();
    let mut request = Request::accounting();
    request.put_number(kind::ACCT_STATUS_TYPE, if told.start { START } else { STOP })?;
    request.put(kind::ACCT_SESSION_ID, event.session.as_bytes())?;
    put_call(&mut request, row, (&told.caller, &told.from, &told.called))?;
    if !told.call.is_empty() {
        request.put(kind::ACCT_MULTI_SESSION_ID, told.call.as_bytes())?;
    }
    for class in &told.class {
        request.put(kind::CLASS, class)?;
    }
    request.put_number(kind::EVENT_TIMESTAMP, seconds(event.at_us))?;
    request.put_number(kind::ACCT_DELAY_TIME, seconds(now_us.saturating_sub(event.at_us)))?;
    if !told.start {
        request.put_number(kind::ACCT_SESSION_TIME, told.talk_s)?;
        request.put_number(kind::ACCT_TERMINATE_CAUSE, told.ended)?;
    }
    put_own(&mut request, row, |holds| value(event, &told, holds));
    Ok(request)
}

fn value(event: &RadiusEvent, told: &Told, holds: RadiusValue) -> Option<String> {
    let id = |id: Option<i64>| id.map(|id| id.to_string());
    match holds {
        RadiusValue::CallId => Some(told.sip_call_id.clone()),
        RadiusValue::Received => Some(told.received.clone()),
        RadiusValue::From => Some(told.from.clone()),
        RadiusValue::Source => Some(told.source.clone()),
        RadiusValue::Tenant => Some(event.tenant.to_string()),
        RadiusValue::Account => id(told.account),
        RadiusValue::Organization => id(told.organization),
        RadiusValue::Subscriber => id(told.subscriber),
        RadiusValue::Trunk => id(told.trunk),
        RadiusValue::Cause => (!told.start).then(|| told.q850.to_string()),
        RadiusValue::Price => told.price.clone(),
        RadiusValue::Currency => told.currency.clone(),
        RadiusValue::TalkTime | RadiusValue::Status => None,
    }
}

/// What came of one look at a tenant's events.
struct Round {
    tenant: TenantId,
    told: usize,
    silent: usize,
}

/// Tells servers of calls until the end.
pub(crate) async fn keep(store: Store, radius: Radius, until: Until) {
    let accounting = radius.accounting().clone();
    let (standings, waits, running) = (BTreeMap::new(), BTreeMap::new(), JoinSet::new());
    let mut rounds = Rounds { store, radius, standings, waits, running };
    let (mut until, mut forgotten) = (until, None::<Instant>);
    while !until.is_over() {
        let mut waits = FORGET;
        if accounting.0.queued.load(Ordering::Acquire) > 0 {
            if forgotten.is_none_or(|at| at.elapsed() >= FORGET) {
                forgotten = Some(Instant::now());
                rounds.forget().await;
            }
            waits = LOOK;
            rounds.begin().await;
        }
        tokio::select! {
            () = accounting.0.news.notified() => {}
            Some(round) = rounds.running.join_next() => match round {
                Ok(round) => rounds.note(&round),
                Err(e) => error!("telling a RADIUS server broke off: a bug: {e}"),
            },
            _over = until.sleep(waits) => {}
        }
    }
}

struct Rounds {
    store: Store,
    radius: Radius,
    /// When a tenant may be looked at again; `None` = a round runs.
    standings: BTreeMap<TenantId, Option<Instant>>,
    /// How long those wait whose servers do not answer.
    waits: BTreeMap<TenantId, Duration>,
    running: JoinSet<Round>,
}

impl Rounds {
    /// Begins a round for each tenant whose events wait and that does not wait itself.
    async fn begin(&mut self) {
        let tenants = match self.store.reader().radius_tenants().await {
            Ok(tenants) => tenants,
            Err(e) => return warn!("the queue for RADIUS servers: {}", chain(&e)),
        };
        let now = Instant::now();
        for tenant in tenants {
            let Some(group) = self.radius.find(RadiusPurpose::Accounting, tenant) else { continue };
            let waits = |again: &Option<Instant>| again.is_none_or(|again| again > now);
            if self.standings.get(&tenant).is_some_and(waits) {
                continue;
            }
            self.standings.insert(tenant, None);
            self.running.spawn(round(self.store.clone(), group, tenant));
        }
    }

    fn note(&mut self, round: &Round) {
        let Inner { told, silent, .. } = &*self.radius.accounting().0;
        told.fetch_add(round.told as u64, Ordering::Relaxed);
        silent.fetch_add(round.silent as u64, Ordering::Relaxed);
        self.radius.accounting().left(round.told as u64);
        let before = self.waits.remove(&round.tenant);
        if round.silent == 0 {
            self.standings.remove(&round.tenant);
            if before.is_some() {
                info!(tenant = round.tenant.0, "a RADIUS server is told of calls again");
            }
            return;
        }
        let wait = before.map_or(WAIT, |wait| (wait * 2).min(WAIT_MAX));
        if before.is_none() {
            warn!(tenant = round.tenant.0, "no RADIUS server answers to what it is told of calls");
        }
        self.waits.insert(round.tenant, wait);
        self.standings.insert(round.tenant, Some(Instant::now() + wait));
    }

    /// Gives up what is kept too long.
    async fn forget(&self) {
        let kept_us = i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX);
        match forget(&self.store, clock::wall_us().saturating_sub(kept_us)).await {
            Ok(0) => {}
            Ok(lost) => {
                self.radius.accounting().0.lost.fetch_add(lost, Ordering::Relaxed);
                self.radius.accounting().left(lost);
                error!(lost, "no RADIUS server was told of calls within {KEPT:?}");
            }
            Err(e) => warn!("the queue for RADIUS servers: {}", chain(&e)),
        }
    }
}

async fn forget(store: &Store, before_us: i64) -> Result<u64, StoreError> {
    let mut w = store.write().await?;
    let gone = w.forget_radius_events(before_us).await?;
    w.commit().await?;
    Ok(gone)
}

/// Tells of a tenant's oldest events, each session's first, all at once.
async fn round(store: Store, group: Arc<Group>, tenant: TenantId) -> Round {
    let mut round = Round { tenant, told: 0, silent: 0 };
    let mut events = match store.reader().radius_events(tenant).await {
        Ok(events) => events,
        Err(e) => {
            warn!("the queue for RADIUS servers: {}", chain(&e));
            round.silent = 1;
            return round;
        }
    };
    let mut sessions = BTreeSet::new();
    events.retain(|event| sessions.insert(event.session.clone()));
    let mut asked = JoinSet::new();
    for event in events {
        let group = Arc::clone(&group);
        asked.spawn(async move { tell(&group, &event).await.then_some(event.id) });
    }
    let mut answered = Vec::new();
    while let Some(done) = asked.join_next().await {
        match done {
            Ok(Some(id)) => answered.push(id),
            Ok(None) | Err(_) => round.silent += 1,
        }
    }
    match remove(&store, &answered).await {
        Ok(gone) => round.told = gone,
        Err(e) => {
            // They are told of again.
            warn!("the queue for RADIUS servers: {}", chain(&e));
            round.silent += 1;
        }
    }
    round
}

/// Whether a server answered.
async fn tell(group: &Group, event: &RadiusEvent) -> bool {
    let now_us = clock::wall_us();
    let requests = group.servers().iter().map(|(row, _)| request(event, row, now_us));
    match requests.collect::<Result<Vec<_>, _>>() {
        Ok(requests) => group.ask(requests, PATIENCE).await.is_ok(),
        Err(e) => {
            warn!(session = event.session, "a call cannot be told to a RADIUS server: {e}");
            false
        }
    }
}

async fn remove(store: &Store, ids: &[i64]) -> Result<usize, StoreError> {
    if ids.is_empty() {
        return Ok(0);
    }
    let mut w = store.write().await?;
    let mut gone = 0;
    for id in ids {
        gone += usize::from(w.remove_radius_event(*id).await?);
    }
    w.commit().await?;
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted() {
        let accounting = Accounting::new(QUEUE_MAX - 1);
        assert_eq!(accounting.room(3), 1);
        accounting.queued(1, 2);
        assert_eq!(accounting.room(3), 0);
        accounting.left(2);
        assert_eq!((accounting.room(3), accounting.0.lost.load(Ordering::Relaxed)), (2, 2));
        accounting.left(QUEUE_MAX * 2);
        assert_eq!(accounting.room(3), 3, "never below none");
    }

    #[test]
    fn nobody_is_told_of_what_no_server_is_for() {
        let accounting = Accounting::default();
        let wanted = || accounting.0.is_wanted.load(Ordering::Relaxed);
        assert!(!wanted());
        accounting.wish([Some(TenantId(2))].into_iter());
        let wish = |tenant| {
            let wish = accounting.0.wish.read().unwrap();
            wish.all || wish.tenants.contains(&TenantId(tenant))
        };
        assert_eq!((wanted(), wish(1), wish(2)), (true, false, true));
        accounting.wish([None].into_iter());
        assert_eq!((wanted(), wish(1)), (true, true));
        accounting.wish(core::iter::empty());
        assert!(!wanted());
        // No frame at all is a beginning of nothing.
        accounting.wish([None].into_iter());
        assert_eq!(accounting.starts(b"no facts"), []);
    }

    #[test]
    fn why_calls_end_as_the_rfc_counts() {
        for (reason, expect) in [
            ("normal", 1),
            ("peer-silent", 2),
            ("no-media", 4),
            ("credit-ended", 5),
            ("max-duration", 5),
            ("operator", 6),
            ("internal", 9),
            ("impostor", 9),
            ("overload", 10),
            ("host-lost", 11),
        ] {
            let code = strowger_model::reason_code(reason).unwrap();
            assert_eq!(ended(code), expect, "{reason}");
        }
        assert_eq!(ended(u8::MAX), 10);
    }

    #[test]
    fn an_event_is_a_request() {
        let event = |start| RadiusEvent {
            id: 1,
            tenant: TenantId(1),
            at_us: 1_700_000_000_500_000,
            session: "77-1".into(),
            body: serde_json::to_string(&Told {
                start,
                call: "77".into(),
                caller: "1001".into(),
                called: "4420".into(),
                talk_s: 9,
                class: vec![b"a\0\xff".to_vec(), vec![7]],
                ended: 1,
                price: Some("0.5".into()),
                ..Told::default()
            })
            .unwrap(),
        };
        let row = RadiusServer {
            id: strowger_model::RadiusServerId(1),
            tenant: None,
            purpose: RadiusPurpose::Accounting,
            name: "AAA".into(),
            address: "192.0.2.1:1813".parse().unwrap(),
            secret: strowger_model::Sealed(Vec::new()),
            priority: 0,
            again_ms: 100,
            tries: 2,
            dead_s: 0,
            nas_identifier: "gate".into(),
            attributes: vec![strowger_model::RadiusAttribute {
                vendor: 0,
                number: 200,
                label: "price".into(),
                holds: RadiusValue::Price,
            }],
            enabled: true,
        };
        let now_us = 1_700_000_003_000_000;
        let stop = format!("{:?}", request(&event(false), &row, now_us).unwrap());
        let start = format!("{:?}", request(&event(true), &row, now_us).unwrap());
        let list = |bytes: &[u8]| bytes.iter().map(|b| format!("{b}, ")).collect::<String>();
        for both in [&stop, &start] {
            assert!(both.contains(&list(b"\x01\x061001")), "User-Name: {both}");
            assert!(both.contains(&list(b"\x2c\x0677-1")), "Acct-Session-Id: {both}");
            assert!(both.contains(&list(b"\x32\x0477")), "Acct-Multi-Session-Id: {both}");
            assert!(both.contains(&list(b"\x19\x05a\0\xff\x19\x03\x07")), "Class: {both}");
            assert!(both.contains(&list(&[41, 6, 0, 0, 0, 2])), "Acct-Delay-Time: {both}");
        }
        assert!(stop.contains(&list(&[40, 6, 0, 0, 0, 2, 44])), "{stop}");
        assert!(start.contains(&list(&[40, 6, 0, 0, 0, 1, 44])), "{start}");
        let time = list(&[46, 6, 0, 0, 0, 9, 49, 6, 0, 0, 0, 1]);
        assert_eq!((stop.contains(&time), start.contains(&time)), (true, false));
        let later = format!("{:?}", request(&event(false), &row, now_us + 1_000_000).unwrap());
        assert_ne!(stop, later, "the delay is that of each attempt");
    }
}
