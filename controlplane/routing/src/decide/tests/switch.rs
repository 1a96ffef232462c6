//! A small switch, and calls on it in words.

use super::super::*;
use crate::location::Registrant;
use crate::testing;
use crate::world::Rows;
use strowger_link::{Branch, CallerIdentity, Go, PartyRef, RegisterAsk};
use strowger_model::{AccountId, Price, TariffKind, print_decimal};

pub(in crate::decide) const WALL: i64 = 1_700_000_000_000_000;

/// A switch with subscribers 1001 to 1004 (1001 and 1002 registered), a carrier (trunk 7) with a
/// route for 44, a second one (trunk 6), and a peer (trunk 8) that sends calls.
pub(in crate::decide) struct Switch {
    pub(in crate::decide) world: World,
    pub(in crate::decide) locations: Locations,
    pub(in crate::decide) ask: Ask,
    pub(in crate::decide) count: u32,
    pub(in crate::decide) unable: Vec<AccountId>,
    pub(in crate::decide) standing: Arc<Standing>,
    pub(in crate::decide) shared: Arc<SharedCalls>,
    pub(in crate::decide) known: Option<Vec<Fact>>,
    pub(in crate::decide) explain: bool,
}

pub(in crate::decide) fn rows() -> Rows {
    let mut s1001 = testing::subscriber(1, "1001");
    s1001.numbers = vec![testing::digits("442071001")];
    s1001.short = Some(testing::digits("11"));
    let mut s1002 = testing::subscriber(2, "1002");
    s1002.short = Some(testing::digits("12"));
    s1002.numbers = vec![testing::digits("442071002")];
    s1002.ring_timeout_s = 22;
    let supplier = strowger_model::Tariff { kind: TariffKind::Supplier, ..testing::tariff(2) };
    let mut second = testing::egress_trunk(6, &["192.0.2.61:5060", "192.0.2.62:5070"]);
    if let Some(egress) = &mut second.egress {
        egress.tariff = Some(strowger_model::TariffId(2));
        egress.called.add = "00".into();
        egress.caller.add = "+".into();
    }
    Rows {
        listeners: vec![
            testing::listener("192.0.2.1:5060"),
            testing::listener("[2001:db8::1]:5060"),
        ],
        tenants: vec![testing::tenant(1, testing::REALM)],
        organizations: vec![testing::organization(1, None), testing::organization(2, Some(1))],
        accounts: vec![
            testing::account(1, Some(1)),
            testing::account(2, None),
            testing::account(9, None),
        ],
        subscribers: vec![
            s1001,
            s1002,
            testing::subscriber(3, "1003"),
            strowger_model::Subscriber { account: AccountId(2), ..testing::subscriber(4, "1004") },
        ],
        trunks: vec![
            testing::egress_trunk(7, &["192.0.2.7:5060"]),
            second,
            testing::ingress_trunk(8, "192.0.2.8:5060", None),
        ],
        tariffs: vec![testing::tariff(1), supplier],
        rates: vec![
            testing::rate(1, 1, "44", "0.01"),
            testing::rate(2, 1, "447", "0.05"),
            testing::rate(3, 1, "", "1"),
            testing::rate(4, 2, "447", "0.03"),
        ],
        routes: vec![testing::route(1, "44", &[(7, 0, 1)])],
        ..Rows::default()
    }
}

impl Switch {
    pub(in crate::decide) fn new(rows: Rows) -> Switch {
        let ask = ask("1001", "1002");
        let locations = Locations::default();
        let world = World::build(rows).unwrap();
        let (unable, standing, shared) = (Vec::new(), Arc::default(), Arc::default());
        let (count, known, explain) = (0, None, false);
        let mut switch =
            Switch { world, locations, ask, count, unable, standing, shared, known, explain };
        switch.register(1, "sip:1001@10.0.0.1:5060", "10.0.0.1:5060");
        switch.register(2, "sip:1002@10.0.0.2:5060", "10.0.0.2:5060");
        switch
    }

    pub(in crate::decide) fn register(&mut self, who: i64, uri: &str, source: &str) {
        self.bind(who, uri, source, |_| {});
    }

    /// Registers a contact after `change`; what it says of itself comes back.
    pub(in crate::decide) fn bind(
        &mut self,
        who: i64,
        uri: &str,
        source: &str,
        change: impl Fn(&mut RegisterAsk),
    ) -> String {
        let subscriber = self.world.subscriber(SubscriberId(who)).unwrap().clone();
        let contact = strowger_link::ContactAsk {
            uri: uri.into(),
            expires_s: 600,
            q: 1000,
            params: String::new(),
        };
        let mut ask = RegisterAsk {
            user: subscriber.username.clone(),
            host: testing::REALM.into(),
            credentials: testing::credentials("x", "REGISTER", "x"),
            contacts: vec![contact],
            sip_call_id: uri.into(),
            cseq: 1,
            user_agent: String::new(),
            path: Vec::new(),
            flow: 0,
            supported: Vec::new(),
            direct: true,
            nated: false,
        };
        change(&mut ask);
        let hints = testing::hints(source);
        let aor = format!("{}@{}", subscriber.username, testing::REALM);
        let registrant = Registrant { aor: Some(aor), ..Registrant::from(&subscriber) };
        let bound = self.locations.register(registrant, &ask, &hints, Tick(0), WALL).unwrap();
        let own = bound.into_iter().find(|contact| contact.uri == uri);
        own.map(|contact| contact.params).unwrap_or_default()
    }

    /// `line` is "1001 dials 1002" or "trunk 8 dials 1002"; the words of the decision come back.
    pub(in crate::decide) fn say(&mut self, line: &str) -> String {
        words(&self.decide(line))
    }

    pub(in crate::decide) fn decide(&mut self, line: &str) -> Decision {
        self.prepare(line);
        self.again()
    }

    /// Makes the ask of `line`, signed as a new one, and decides nothing yet.
    pub(in crate::decide) fn prepare(&mut self, line: &str) {
        let (sender, called) = line.split_once(" dials ").unwrap();
        let (ours, mut next) = (self.ask.clone(), ask(sender, called));
        if let (AskBody::Call(old), AskBody::Call(new)) = (&ours.body, &mut next.body) {
            new.caller.privacy = old.caller.privacy.clone();
        }
        self.count += 1;
        if let AskBody::Call(call) = &mut next.body
            && let Some(credentials) = &mut call.credentials
        {
            credentials.nonce_count = format!("{:08x}", self.count);
            let ha1 = crate::digest::ha1_md5(sender, testing::REALM, &format!("demo{sender}"));
            credentials.response = crate::digest::response_md5(credentials, &ha1);
        }
        self.ask = next;
    }

    /// The last ask as it stands, decided again.
    pub(in crate::decide) fn again(&mut self) -> Decision {
        let (unable, standing) = (self.unable.clone(), Arc::clone(&self.standing));
        let (shared, known) = (Arc::clone(&self.shared), self.known.clone());
        let explain = self.explain;
        let facts = Facts { known, unable, standing, shared, explain, ..Facts::default() };
        let decision = decide(&self.world, &self.locations, &self.ask, &facts, Tick(0), WALL);
        if let Some(used) = decision.nonce {
            self.locations.nonces_mut().spend(used);
        }
        if let Some(group) = decision.turn {
            self.locations.take_turn(group);
        }
        decision
    }

    pub(in crate::decide) fn call(&mut self) -> &mut CallAsk {
        let AskBody::Call(call) = &mut self.ask.body else { panic!("not a call") };
        call
    }

    pub(in crate::decide) fn go(&mut self, line: &str) -> Go {
        let decision = self.decide(line);
        let said = words(&decision);
        let Verdict::Go(plan) = decision.verdict else { panic!("{line}: {said}") };
        plan.go
    }
}

pub(in crate::decide) fn ask(sender: &str, called: &str) -> Ask {
    let trunk = sender.strip_prefix("trunk ").map(|id| id.parse::<i64>().unwrap());
    let source = match trunk {
        Some(id) => format!("192.0.2.{id}:5060"),
        None => "10.0.0.1:5060".to_owned(),
    };
    let credentials =
        trunk.is_none().then(|| testing::credentials(sender, "INVITE", &format!("demo{sender}")));
    Ask {
        id: AskId(77),
        parent: None,
        leg: strowger_link::LegId::default(),
        hints: strowger_link::Hints { trunk, ..testing::hints(&source) },
        deadline: Tick::NEVER,
        wall_us: WALL,
        body: AskBody::Call(Box::new(CallAsk {
            request_uri: format!("sip:{called}@{}", testing::REALM),
            called: called.to_owned(),
            to_user: called.to_owned(),
            caller: CallerIdentity {
                from_user: if trunk.is_some() { "+33123".into() } else { sender.to_owned() },
                from_host: testing::REALM.into(),
                display: "As sent".into(),
                asserted: Vec::new(),
                preferred: None,
                remote_party: None,
                privacy: String::new(),
            },
            credentials,
            sip_call_id: "call".into(),
            user_agent: String::new(),
            has_offer: true,
            emergency: false,
            headers: Vec::new(),
            diverted: Vec::new(),
            session_s: 0,
        })),
    }
}

/// A decision in one line: its targets stage by stage, and who pays how much a minute.
pub(in crate::decide) fn words(decision: &Decision) -> String {
    match &decision.verdict {
        Verdict::Go(plan) => {
            let stages: Vec<String> = plan.go.stages.iter().map(stage_words).collect();
            let settlement = Settlement::decode(&plan.go.settlement.0).unwrap();
            let payer = settlement.levels.first().map(|level| {
                let price = level.terms.pricing.prices.at(0);
                format!("; account {} pays {}", level.account, print_price(price))
            });
            format!("{}{}", stages.join(", then "), payer.unwrap_or_default())
        }
        Verdict::Refuse(refuse) => {
            let recorded = if refuse.record { "" } else { ", no record" };
            let (sip, q850) = (refuse.cause.sip, refuse.cause.q850);
            format!("{sip} {:?} cause {q850}{recorded}", refuse.reason)
        }
        Verdict::Challenge(challenge) => {
            let stale = if challenge.stale { " stale" } else { "" };
            format!("challenge {} {:?}{stale}", challenge.realm, challenge.algorithms)
        }
        Verdict::Registered(_) | Verdict::Respond(_) | Verdict::Need(_) => "no".to_owned(),
    }
}

pub(in crate::decide) fn print_price(price: Price) -> String {
    print_decimal(price.0, 9).trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(in crate::decide) fn stage_words(stage: &strowger_link::Stage) -> String {
    let one = |branch: &Branch| match branch.party {
        PartyRef::Trunk(id) => {
            format!("{} to trunk {id} at {}", branch.dialed, branch.target.address)
        }
        PartyRef::Subscriber(_) => format!("ring {}", branch.target.address),
        PartyRef::Unknown => "?".to_owned(),
    };
    stage.branches.iter().map(one).collect::<Vec<_>>().join(" + ")
}

pub(in crate::decide) fn check(line: &str, expect: &str) {
    assert_eq!(Switch::new(rows()).say(line), expect, "{line}");
}

pub(in crate::decide) fn check_with(change: impl Fn(&mut Rows), line: &str, expect: &str) {
    let mut rows = rows();
    change(&mut rows);
    assert_eq!(Switch::new(rows).say(line), expect, "{line}");
}
