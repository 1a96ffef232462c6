//! A live side that says what the test put in.

use crate::world::{NUMBERS, tenant_of};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use strowger_api::{
    AccountBalance, AccountHold, AllowancePool, Behind, CallId, CallMessages, CallSound, CallState,
    CertificateStanding, Contact, HostStanding, ListOrder, ListSeen, Live, LiveCall, LogLevel,
    LogLine, LogOrder, LoginCause, LoginPhase, LoginStanding, MessagesOrder, MetricsWriter,
    MoneyOrder, MoneyRefusal, PortedOrder, PortedSeen, Readiness, Registration, RegistrationKey,
    ReplayOrder, ReplayRefusal, ReplayStanding, ReplayState, Reply, RouteBranch, RoutePayer,
    RouteRefusal, RouteSender, RouteTest, RouteTested, RouteVerdict, SipMessage, Stranger,
    TraceEyes, TraceOrder, TraceStep, TraceWords, TrunkFailure, Unavailable,
};
use strowger_model::{
    AccountId, Allowance, AllowanceId, Amount, Audio, Binding, CdrId, CdrMedia, Currency, Digits,
    FalseAnswer, NumberListId, OrganizationId, Price, RateId, SubscriberId, TenantId, Transport,
    TrunkId, TrunkLoginId, worst_score,
};
use strowger_routing::{Holder, ReplayLine, Replayed, Sides, Way};
use strowger_store::{MoneyRequest, NewAllowance, NewMoney, Owned, Scope};

pub(crate) struct FakeLive {
    calls: Vec<LiveCall>,
    registrations: Vec<Registration>,
    pub(crate) readiness: Mutex<Readiness>,
    /// Nothing answers.
    pub(crate) is_dead: AtomicBool,
    /// Calls that were ended, and by whom.
    pub(crate) ended: Mutex<Vec<(CallId, String)>>,
    /// Contacts that were forgotten: whose, which, by whom.
    pub(crate) forgotten: Mutex<Vec<(Holder, Option<String>, String)>>,
    /// Money that moved.
    pub(crate) moved: Mutex<Vec<MoneyRequest>>,
    /// Free time that was given.
    pub(crate) given: Mutex<Vec<NewAllowance>>,
}

fn call(id: u64, tenant: i64, state: CallState) -> LiveCall {
    LiveCall {
        id: CallId(id),
        record: (state == CallState::Speaking).then_some(CdrId(77)),
        tenant: Some(TenantId(tenant)),
        state,
        account: Some(AccountId(1)),
        subscriber: Some(SubscriberId(1)),
        trunk: (state == CallState::Held).then_some(TrunkId(1)),
        caller: "491001".to_owned(),
        called: "0044123".to_owned(),
        started_us: 1_700_000_000_000_001,
        answered_us: (state == CallState::Speaking).then_some(1_700_000_005_000_000),
        sound: (state == CallState::Held).then(|| {
            let (caller, called) =
                (crate::rows::media(), CdrMedia { mos: Some(290), ..crate::rows::media() });
            let (audio, false_answer) = (Some(Audio::Bad), Some(FalseAnswer::RingsOn));
            Box::new(CallSound { caller, called, audio, false_answer })
        }),
    }
}

fn registration(tenant: i64, uri: &str) -> Registration {
    let binding = Binding {
        subscriber: SubscriberId(tenant),
        uri: uri.to_owned(),
        instance: String::new(),
        reg_id: 0,
        sip_call_id: "c@phone".to_owned(),
        cseq: 4,
        q: 1000,
        user_agent: "Phone/1".to_owned(),
        path: vec!["<sip:edge;lr>".to_owned()],
        listener: 0,
        source: "192.0.2.7:5062".parse().unwrap(),
        transport: Transport::Udp,
        flow: 0,
        nated: true,
        refreshed_us: 1_700_000_000_000_000,
        expires_us: 1_700_000_060_000_000,
    };
    Registration {
        tenant: TenantId(tenant),
        username: "1001".to_owned(),
        contact: contact(binding),
    }
}

fn contact(binding: Binding) -> Contact {
    let target = "192.0.2.8:5060".parse().unwrap();
    Contact { binding, target, nated: true, kept_alive: false, lost: false }
}

/// Accounts and subscribers belong to the organization of their own number; organization 11 stands
/// below 10.
fn owned(
    tenant: Option<TenantId>,
    account: Option<AccountId>,
    subscriber: Option<SubscriberId>,
) -> Owned {
    let mut organizations: Vec<_> = account.map(|a| OrganizationId(a.0)).into_iter().collect();
    if account == Some(AccountId(11)) {
        organizations.push(OrganizationId(10));
    }
    Owned { tenant, organizations, account, supplier: None, subscriber }
}

fn is_seen(scope: Scope, call: &LiveCall) -> bool {
    scope.covers(&owned(call.tenant, call.account, call.subscriber))
}

impl FakeLive {
    /// A running call and a contact of each of the four numbers.
    pub(crate) fn world() -> FakeLive {
        let call = |number: i64| LiveCall {
            account: Some(AccountId(number)),
            subscriber: Some(SubscriberId(number)),
            ..call(number.unsigned_abs(), tenant_of(number).0, CallState::Speaking)
        };
        let contact = |number: i64| {
            let mut contact = registration(tenant_of(number).0, "sip:a@192.0.2.7");
            contact.contact.binding.subscriber = SubscriberId(number);
            contact
        };
        FakeLive {
            calls: NUMBERS.into_iter().map(call).collect(),
            registrations: NUMBERS.into_iter().map(contact).collect(),
            ..FakeLive::new()
        }
    }

    pub(crate) fn new() -> FakeLive {
        FakeLive {
            calls: vec![
                call(1, 1, CallState::Speaking),
                call(2, 2, CallState::Ringing),
                call(u64::MAX, 1, CallState::Held),
            ],
            registrations: vec![
                registration(1, "sip:a@192.0.2.7"),
                registration(1, "sip:b@192.0.2.7;x=\"ü\""),
                registration(2, "sip:a@192.0.2.7"),
            ],
            readiness: Mutex::new(Readiness {
                link: true,
                database: true,
                world: true,
                behind: None,
                certificates: None,
                open: None,
            }),
            is_dead: AtomicBool::new(false),
            ended: Mutex::default(),
            forgotten: Mutex::default(),
            moved: Mutex::default(),
            given: Mutex::default(),
        }
    }

    fn say<T: Send + 'static>(&self, value: T) -> Reply<'_, T> {
        let dead = self.is_dead.load(Ordering::Relaxed);
        Box::pin(async move { if dead { Err(Unavailable) } else { Ok(value) } })
    }

    fn find(&self, scope: Scope, id: CallId) -> Option<LiveCall> {
        self.calls.iter().find(|c| c.id == id && is_seen(scope, c)).cloned()
    }
}

impl Live for FakeLive {
    fn calls(
        &self,
        scope: Scope,
        (after, limit): (Option<CallId>, usize),
        mos_below: Option<u16>,
    ) -> Reply<'_, Vec<LiveCall>> {
        let score = |c: &LiveCall| {
            c.sound.as_ref().and_then(|sound| worst_score(&sound.caller, &sound.called))
        };
        let is_worse = |c: &LiveCall| {
            mos_below.is_none_or(|below| score(c).is_some_and(|score| score < below))
        };
        let behind = self.calls.iter().filter(|c| Some(c.id) > after && is_worse(c));
        let seen = behind.filter(|c| is_seen(scope, c));
        self.say(seen.take(limit).cloned().collect())
    }

    fn call(&self, scope: Scope, id: CallId) -> Reply<'_, Option<LiveCall>> {
        self.say(self.find(scope, id))
    }

    fn hangup(&self, scope: Scope, id: CallId, actor: String) -> Reply<'_, bool> {
        let found = self.find(scope, id).is_some();
        if found {
            self.ended.lock().unwrap().push((id, actor));
        }
        self.say(found)
    }

    fn registrations(
        &self,
        scope: Scope,
        after: Option<RegistrationKey>,
        limit: usize,
    ) -> Reply<'_, Vec<Registration>> {
        let owned = |r: &Registration| {
            let subscriber = Some(r.contact.binding.subscriber);
            owned(Some(r.tenant), Some(AccountId(r.contact.binding.subscriber.0)), subscriber)
        };
        let seen = self.registrations.iter().filter(|r| scope.covers(&owned(r)));
        let seen = seen.filter(|r| Some(RegistrationKey::of(&r.contact.binding)) > after);
        self.say(seen.take(limit).cloned().collect())
    }

    fn logins(&self, trunk: TrunkId) -> Reply<'_, Vec<LoginStanding>> {
        let wrong = LoginStanding {
            login: TrunkLoginId(5),
            username: "us".to_owned(),
            phase: LoginPhase::Refused,
            since_us: Some(1_700_000_000_000_000),
            expires_us: None,
            next_us: Some(1_700_000_060_000_000),
            cause: Some(LoginCause::WrongPassword),
            status: Some(401),
        };
        let fine = LoginStanding {
            login: TrunkLoginId(6),
            phase: LoginPhase::Registered,
            expires_us: Some(1_700_000_600_000_000),
            next_us: None,
            cause: None,
            status: Some(200),
            ..wrong.clone()
        };
        self.say(if trunk == TrunkId(1) { vec![wrong, fine] } else { Vec::new() })
    }

    fn trunk_contacts(&self, trunk: TrunkId) -> Reply<'_, Vec<Contact>> {
        let Registration { contact, .. } = registration(0, "sip:pbx@192.0.2.7");
        let lost = Contact { lost: true, ..contact };
        self.say(if trunk == TrunkId(1) { vec![lost] } else { Vec::new() })
    }

    fn forget_contacts(
        &self,
        who: Holder,
        contact: Option<String>,
        actor: String,
    ) -> Reply<'_, usize> {
        self.forgotten.lock().unwrap().push((who, contact, actor));
        self.say(1)
    }

    fn hosts(&self, _: TrunkId) -> Reply<'_, Vec<HostStanding>> {
        self.say(vec![HostStanding {
            name: "sip.example".to_owned(),
            addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            confirmed_us: Some(1_700_000_000_000_000),
            failure: Some("no such host".to_owned()),
        }])
    }

    fn failures(&self, _: TrunkId) -> Reply<'_, Vec<TrunkFailure>> {
        let failures = 5;
        let again_us = 1_700_000_000_000_000;
        self.say(vec![TrunkFailure { direction: "4420".to_owned(), failures, tries: 2, again_us }])
    }

    fn ported(&self, number: Option<Digits>) -> Reply<'_, PortedSeen> {
        let routed = number.filter(|number| number.as_str() == "40721000001");
        self.say(PortedSeen { numbers: 1, bytes: 12, routed })
    }

    fn import_ported(&self, order: PortedOrder) -> Reply<'_, Result<PortedSeen, String>> {
        let numbers = order.list.lines().count() as u64;
        let seen = PortedSeen { numbers, bytes: 12 * numbers, routed: None };
        self.say(if order.list == "bad" { Err("line 1: bad".to_owned()) } else { Ok(seen) })
    }

    fn list_entries(&self, list: NumberListId, number: Option<Digits>) -> Reply<'_, ListSeen> {
        let digits = number.filter(|number| number.as_str().starts_with("4420")).map(|_| 4);
        let entries = u64::try_from(list.0).unwrap();
        self.say(ListSeen { entries, bytes: 20, changes: 0, digits })
    }

    fn change_list(&self, order: ListOrder) -> Reply<'_, Result<ListSeen, String>> {
        let text = std::fs::read_to_string(&order.file).unwrap();
        let entries = text.lines().count() as u64;
        let seen = ListSeen { entries, bytes: 20, changes: 0, digits: None };
        self.say(if text == "bad" { Err("line 1: bad".to_owned()) } else { Ok(seen) })
    }

    fn restore(&self, _: TrunkId) -> Reply<'_, ()> {
        self.say(())
    }

    fn balances(&self, accounts: Vec<AccountId>) -> Reply<'_, Vec<AccountBalance>> {
        // The till knows account 1 only.
        let known = accounts.into_iter().filter(|id| *id == AccountId(1));
        let balance = |account| AccountBalance {
            account,
            balance: Amount(1_000_000_000),
            held: Amount(250),
            available: Some(Amount(999_999_750)),
            calls: 2,
            spent: [Amount(7), Amount(70)],
            most: [None, Some(Amount(700))],
        };
        self.say(known.map(balance).collect())
    }

    fn holds(
        &self,
        account: AccountId,
        after: Option<CallId>,
        limit: usize,
    ) -> Reply<'_, Vec<AccountHold>> {
        let holds = [(1, Some(60_000), true), (u64::MAX, None, false)].map(|(id, ms, last)| {
            let amount = Amount(i64::try_from(id >> 60).unwrap() + 235);
            AccountHold { call: CallId(id), amount, granted_ms: ms, last, answered: last }
        });
        let seen = holds.into_iter().filter(|hold| account.0 == 1 && Some(hold.call) > after);
        self.say(seen.take(limit).collect())
    }

    /// The floor lies ten below nothing.
    fn move_money(&self, order: MoneyOrder) -> Reply<'_, Result<MoneyRequest, MoneyRefusal>> {
        let mut moved = self.moved.lock().unwrap();
        let is_known = |done: &&MoneyRequest| {
            (done.money.account, &done.money.key) == (order.account, &order.key)
        };
        if let Some(done) = moved.iter().find(is_known) {
            let same = order.is(done);
            return self.say(if same { Ok(done.clone()) } else { Err(MoneyRefusal::OtherRequest) });
        }
        if order.amount.0 < -1_000_000_000 {
            return self.say(Err(MoneyRefusal::Floor));
        }
        let MoneyOrder { tenant, account, key, kind, amount, currency, reason, actor } = order;
        let at_us = 1_700_000_000_000_000;
        // Nobody above pays.
        let from = None;
        let money =
            NewMoney { tenant, account, key, kind, from, amount, currency, reason, actor, at_us };
        let done = MoneyRequest { id: i64::try_from(moved.len()).unwrap() + 1, money };
        moved.push(done.clone());
        self.say(Ok(done))
    }

    fn pools(&self, allowances: Vec<AllowanceId>) -> Reply<'_, Vec<AllowancePool>> {
        // The till knows the first of them only.
        let first = allowances.into_iter().take(1);
        let pool = |allowance| AllowancePool {
            used_ms: 1_500,
            reserved_ms: 60_000,
            ..AllowancePool::none(allowance)
        };
        self.say(first.map(pool).collect())
    }

    fn give(&self, new: NewAllowance) -> Reply<'_, Result<Allowance, MoneyRefusal>> {
        let mut given = self.given.lock().unwrap();
        let at = given.iter().position(|known| known.key == new.key);
        let at = at.unwrap_or_else(|| {
            given.push(new.clone());
            given.len() - 1
        });
        let same = given[at].allowance == new.allowance;
        let id = AllowanceId(i64::try_from(at).unwrap() + 1);
        let done = Allowance { id, ..new.allowance };
        self.say(if same { Ok(done) } else { Err(MoneyRefusal::OtherRequest) })
    }

    fn explain(&self, order: TraceOrder) -> Reply<'_, TraceWords> {
        let step = |name: &'static str, value: usize| TraceStep {
            code: "step".to_owned(),
            parameters: vec![(name, value.to_string())],
            sentence: format!("{name} {value}"),
        };
        // A party is told nothing here, so that a test sees whose eyes they were.
        let steps = match order.eyes {
            TraceEyes::Operator => &order.steps[..],
            TraceEyes::Party => &[],
        };
        let decision = steps.iter().map(|byte| step("byte", (*byte).into())).collect();
        let afterwards = order.record.iter().map(|cdr| step("hops", cdr.hops.len())).collect();
        self.say(TraceWords { decision, afterwards })
    }

    /// One message that says whose it is.
    fn messages(&self, order: MessagesOrder) -> Reply<'_, CallMessages> {
        let id = order.sip_call_id.unwrap_or_else(|| format!("call {}", order.call.0));
        let message = SipMessage {
            at_us: order.from_us,
            outgoing: false,
            transport: "udp",
            local: "192.0.2.1:5060".parse().unwrap(),
            peer: "[2001:db8::7]:5062".parse().unwrap(),
            bytes: format!("BYE sip:h SIP/2.0\r\nCall-ID: {id}\r\n\r\n").into_bytes(),
            is_cut: false,
        };
        let capture = b"no more than a word".to_vec();
        self.say(CallMessages { messages: vec![message], capture })
    }

    fn begin_replay(&self, order: ReplayOrder) -> Reply<'_, Result<ReplayStanding, ReplayRefusal>> {
        let ReplayOrder { tenant, from_us, until_us, .. } = order;
        self.say(Ok(ReplayStanding { tenant, from_us, until_us, ..replay() }))
    }

    fn replays(&self) -> Reply<'_, Vec<ReplayStanding>> {
        let others = ReplayStanding { id: 9, tenant: TenantId(2), ..replay() };
        self.say(vec![replay(), others, ReplayStanding { id: 10, ..replay() }])
    }

    fn end_replay(&self, id: u64) -> Reply<'_, bool> {
        self.say([1, 10].contains(&id))
    }

    /// Subscriber 1001 of tenant 1 and trunk 7 can call.
    fn test_route(&self, test: RouteTest) -> Reply<'_, Result<RouteTested, RouteRefusal>> {
        let known = match &test.sender {
            RouteSender::Subscriber(id) => id.0 == 1,
            RouteSender::Username(name) => name == "1001",
            RouteSender::Trunk(name, _) if name == "dumb" => {
                return self.say(Err(RouteRefusal::NoSource));
            }
            RouteSender::Trunk(name, source) => name == "7" && source.is_some(),
        };
        let of_first = Owned { tenant: Some(TenantId(1)), ..Owned::default() };
        if test.tenant == Some(TenantId(9)) {
            return self.say(Err(RouteRefusal::WhichTenant));
        }
        if !known || !test.scope.covers(&of_first) {
            return self.say(Err(RouteRefusal::NoSender));
        }
        let eur = Currency::new("EUR", 2).unwrap();
        let price = Price(60_000_000);
        let branch = RouteBranch {
            trunk: Some(TrunkId(1)),
            subscriber: None,
            name: Some("carrier".to_owned()),
            dialled: test.called.clone(),
            address: Some("192.0.2.1:5060".parse().unwrap()),
            caller: test.caller.clone().unwrap_or_default(),
            asserted: None,
            anonymous: false,
            headers: vec![("X-Route".to_owned(), "a".to_owned())],
            ring_ms: 60_000,
            price: Some((price, eur)),
            supplier: Some(AccountId(3)),
        };
        let payer = RoutePayer {
            account: AccountId(1),
            name: Some("A1".to_owned()),
            price,
            currency: eur,
            tariff: None,
            rate: Some(RateId(5)),
            step_ms: 1_000,
            minimum_ms: 0,
        };
        let refused = RouteVerdict::Refuse { sip: 404, q850: 3, reason: 9 };
        let goes = test.called.starts_with("44");
        self.say(Ok(RouteTested {
            at_us: test.at_us.unwrap_or(7),
            verdict: if goes { RouteVerdict::Go } else { refused },
            stages: if goes { vec![vec![branch]] } else { Vec::new() },
            payers: if goes { vec![payer] } else { Vec::new() },
            steps: Vec::new(),
            targets: Vec::new(),
        }))
    }

    fn log_lines(&self, order: LogOrder) -> Reply<'_, Vec<LogLine>> {
        let line = |(at_us, level, text): (i64, LogLevel, &str)| LogLine {
            at_us,
            level,
            area: "strowger_controld".to_owned(),
            text: text.to_owned(),
        };
        let all = [
            (3_000_000, LogLevel::Warn, "a name has no address name=\"x\""),
            (2_000_000, LogLevel::Info, "banned"),
        ];
        let fits = |line: &LogLine| order.level.is_none_or(|level| level == line.level);
        self.say(all.map(line).into_iter().filter(fits).take(order.limit).collect())
    }

    fn strangers(&self, limit: usize) -> Reply<'_, Vec<Stranger>> {
        let stranger = Stranger {
            minute_us: 60_000_000,
            source: "192.0.2.66".parse().unwrap(),
            challenged: 3,
            refused: 1,
        };
        self.say([stranger; 3].into_iter().take(limit).collect())
    }

    fn certificates(&self) -> Reply<'_, Vec<CertificateStanding>> {
        let problem = "the certificate has expired".to_owned();
        self.say(vec![CertificateStanding {
            file: "acme/certificate.pem".to_owned(),
            obtained: true,
            names: vec!["sip.example.com".to_owned()],
            listeners: vec!["192.0.2.1:5061".parse().unwrap()],
            valid_us: Some((0, 60_000_000)),
            next_us: Some(90_000_000),
            failures: 2,
            failing: Some(Behind { since_us: 61_000_000, problem }),
        }])
    }

    fn readiness(&self) -> Reply<'_, Readiness> {
        self.say(self.readiness.lock().unwrap().clone())
    }

    fn metrics(&self, writer: &mut MetricsWriter) {
        writer.gauge("strowger_calls", "Running calls.").sample(&[("state", "speaking")], 1);
    }
}

/// One of tenant 1 that found a call that moved.
fn replay() -> ReplayStanding {
    let eur = Currency::EUR;
    let sides = |customer, supplier| BTreeMap::from([(eur, Sides { customer, supplier })]);
    let line = ReplayLine {
        calls: 2,
        billable_ms: 60_000,
        moved: 1,
        refused: [0, 1],
        recorded: sides(10, 4),
        decided: [sides(10, 4), sides(5, 3)],
    };
    let moves = BTreeMap::from([((Way::Trunk(TrunkId(7)), Way::Refused), 1)]);
    let lines = BTreeMap::from([(Digits::parse("44").unwrap(), line.clone())]);
    ReplayStanding {
        id: 1,
        tenant: TenantId(1),
        from_us: 1,
        until_us: 2,
        state: ReplayState::Done,
        found: Replayed { lines, total: line, moves, unknown: 3 },
    }
}
