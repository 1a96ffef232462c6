use super::*;
use crate::testing;
use proptest::prelude::*;
use strowger_link::{Algorithm, ContactAsk, Credentials};

const WALL: i64 = 1_700_000_000_000_000;

/// A registrar, a subscriber with at most four contacts, and a clock in seconds.
struct Desk {
    locations: Locations,
    subscriber: Subscriber,
    now_s: u64,
}

impl Desk {
    fn new() -> Desk {
        let subscriber = testing::subscriber(1, "1001");
        Desk { locations: Locations::default(), subscriber, now_s: 0 }
    }

    fn now(&self) -> Tick {
        Tick::default().plus_ms(self.now_s * 1000)
    }

    fn wall(&self) -> i64 {
        WALL + i64::try_from(self.now_s).unwrap() * 1_000_000
    }

    /// `call` is "Call-ID CSeq"; contacts are "uri expires [params]".
    fn register(&mut self, call: &str, contacts: &[&str]) -> Result<String, RegisterError> {
        self.register_from("10.0.0.1:5060", call, contacts)
    }

    fn register_from(
        &mut self,
        source: &str,
        call: &str,
        contacts: &[&str],
    ) -> Result<String, RegisterError> {
        let (now, wall) = (self.now(), self.wall());
        let hints = testing::hints(source);
        let ask = ask(call, contacts);
        let bound = self.locations.register(&self.subscriber, &ask, &hints, now, wall)?;
        let texts: Vec<String> =
            bound.iter().map(|b| format!("{} {}", b.uri, b.expires_s)).collect();
        Ok(texts.join(", "))
    }

    fn output(&mut self) -> Vec<String> {
        let mut list = Vec::new();
        while let Some(output) = self.locations.poll_output() {
            list.push(match output {
                Output::Save { binding, .. } => format!("save {}", binding.uri),
                Output::Remove { uri, .. } => format!("remove {uri}"),
            });
        }
        list
    }

    fn uris(&self) -> Vec<&str> {
        let who = self.subscriber.id;
        self.locations.contacts(who, self.now()).iter().map(|b| b.uri.as_str()).collect()
    }
}

fn ask(call: &str, contacts: &[&str]) -> RegisterAsk {
    let (sip_call_id, cseq) = call.split_once(' ').unwrap();
    RegisterAsk {
        user: "1001".into(),
        host: testing::REALM.into(),
        credentials: Credentials {
            algorithm: Algorithm::Md5,
            ..testing::credentials("1001", "REGISTER", "demo1001")
        },
        contacts: contacts.iter().map(|text| contact(text)).collect(),
        sip_call_id: sip_call_id.into(),
        cseq: cseq.parse().unwrap(),
        user_agent: "test".into(),
        path: Vec::new(),
        flow: 0,
    }
}

fn contact(text: &str) -> ContactAsk {
    let mut words = text.splitn(3, ' ');
    ContactAsk {
        uri: words.next().unwrap().into(),
        expires_s: words.next().unwrap().parse().unwrap(),
        q: 1000,
        params: words.next().unwrap_or_default().into(),
    }
}

const A: &str = "sip:1001@10.0.0.1:5060";
const B: &str = "sip:1001@10.0.0.2:5060";

#[test]
fn registers_refreshes_and_removes() {
    let mut desk = Desk::new();
    assert_eq!(desk.register("a 1", &[&format!("{A} 60")]).unwrap(), format!("{A} 60"));
    assert_eq!(desk.output(), [format!("save {A}")]);
    desk.now_s = 30;
    assert_eq!(desk.register("a 2", &[]).unwrap(), format!("{A} 30"), "a query changes nothing");
    assert_eq!(desk.output(), [""; 0]);
    assert_eq!(desk.register("a 3", &[&format!("{A} 120")]).unwrap(), format!("{A} 120"));
    assert_eq!(desk.output(), [format!("save {A}")]);
    let both = format!("{A} 120, {B} 60");
    assert_eq!(desk.register("b 1", &[&format!("{B} 60")]).unwrap(), both);
    assert_eq!(desk.register("a 4", &[&format!("{A} 0")]).unwrap(), format!("{B} 60"));
    assert_eq!(desk.output(), [format!("save {B}"), format!("remove {A}")]);
    assert_eq!(desk.register("c 9", &["* 0"]).unwrap(), "");
    assert_eq!(desk.output(), [format!("remove {B}")]);
    assert!(desk.locations.is_empty());
}

#[test]
fn equivalent_uris_are_one_binding() {
    let mut desk = Desk::new();
    desk.register("a 1", &["sip:1001@PBX.example;transport=udp 60"]).unwrap();
    let now = desk.register("a 2", &["sip:1001@pbx.example;Transport=UDP;x=1 90"]).unwrap();
    assert_eq!(now, "sip:1001@pbx.example;Transport=UDP;x=1 90");
    let last = desk.output().split_off(1);
    assert_eq!(
        last,
        [
            "remove sip:1001@PBX.example;transport=udp",
            "save sip:1001@pbx.example;Transport=UDP;x=1"
        ]
    );
}

#[test]
fn an_instance_replaces_its_own_contact() {
    let mut desk = Desk::new();
    let params = ";+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    desk.register("a 1", &[&format!("{A} 60 {params}")]).unwrap();
    assert_eq!(
        desk.register("z 1", &[&format!("{B} 60 {params}")]).unwrap(),
        format!("{B} 60"),
        "a rebooted phone under another address"
    );
    let other = params.replace("reg-id=1", "reg-id=2");
    let both = format!("{B} 60, {A} 60");
    assert_eq!(desk.register("y 1", &[&format!("{A} 60 {other}")]).unwrap(), both);
}

#[test]
fn order_is_kept() {
    let mut desk = Desk::new();
    desk.register("a 5", &[&format!("{A} 60")]).unwrap();
    let old = RegisterError::OutOfOrder;
    assert_eq!(desk.register("a 4", &[&format!("{A} 600")]), Err(old));
    assert_eq!(desk.register("a 4", &[&format!("{A} 0")]), Err(old));
    assert_eq!(desk.register("a 5", &[&format!("{A} 0")]), Err(old));
    assert_eq!(desk.register("a 5", &["* 0"]), Err(old));
    // All or nothing: B alone would have been fine.
    assert_eq!(desk.register("a 4", &[&format!("{B} 60"), &format!("{A} 60")]), Err(old));
    assert_eq!(desk.uris(), [A]);
    assert_eq!(desk.register("a 5", &[&format!("{A} 60")]).unwrap(), format!("{A} 60"), "repeat");
    assert_eq!(desk.output(), [format!("save {A}")], "a repeat saves nothing");
    assert_eq!(desk.register("b 1", &[&format!("{A} 70")]).unwrap(), format!("{A} 70"));
}

#[test]
fn bounds_of_a_request() {
    let mut desk = Desk::new();
    assert_eq!(desk.register("a 1", &["* 60"]), Err(RegisterError::Wildcard));
    assert_eq!(desk.register("a 1", &["* 0", &format!("{A} 0")]), Err(RegisterError::Wildcard));
    assert_eq!(desk.register("a 1", &["tel:+44 60"]), Err(RegisterError::Contact));
    let long = format!("sip:{}@h 60", "x".repeat(600));
    assert_eq!(desk.register("a 1", &[&long]), Err(RegisterError::Contact));
    let brief = desk.register("a 1", &[&format!("{A} 59")]);
    assert_eq!(brief, Err(RegisterError::TooBrief { min_s: 60 }));
    assert_eq!(desk.register("a 1", &[&format!("{A} 86400")]).unwrap(), format!("{A} 3600"));
    let five: Vec<String> = (1..=5).map(|n| format!("sip:1001@10.0.0.{n} 60")).collect();
    let five: Vec<&str> = five.iter().map(String::as_str).collect();
    assert_eq!(desk.register("a 2", &five), Err(RegisterError::TooMany));
    assert_eq!(desk.uris(), [A]);
}

#[test]
fn a_new_contact_takes_the_place_of_the_stalest() {
    let mut desk = Desk::new();
    for n in 1..=4 {
        desk.now_s = n;
        desk.register(&format!("c{n} 1"), &[&format!("sip:1001@10.0.0.{n} 600")]).unwrap();
    }
    desk.now_s = 10;
    desk.register("c1 2", &["sip:1001@10.0.0.1 600"]).unwrap();
    desk.output();
    desk.register("c5 1", &["sip:1001@10.0.0.5 600"]).unwrap();
    assert_eq!(desk.output(), ["remove sip:1001@10.0.0.2", "save sip:1001@10.0.0.5"]);
    assert_eq!(desk.uris().len(), 4);
}

#[test]
fn expiry_runs_by_timer_and_by_clock() {
    let mut desk = Desk::new();
    desk.register("a 1", &[&format!("{A} 60"), &format!("{B} 90")]).unwrap();
    desk.output();
    assert_eq!(desk.locations.poll_timeout(), Some(Tick::default().plus_ms(60_000)));
    desk.now_s = 60;
    assert_eq!(desk.uris(), [B], "the timer has not run yet");
    let now = desk.now();
    desk.locations.handle_timeout(now);
    assert_eq!(desk.output(), [format!("remove {A}")]);
    desk.now_s = 90;
    let now = desk.now();
    desk.locations.handle_timeout(now);
    assert_eq!(desk.output(), [format!("remove {B}")]);
    assert_eq!(desk.locations.poll_timeout(), None);
}

#[test]
fn one_turn_ends_a_bounded_number() {
    let mut locations = Locations::default();
    let row = |id: i64| {
        let mut desk = Desk::new();
        desk.subscriber.id = SubscriberId(id);
        desk.register("a 1", &[&format!("{A} 60")]).unwrap();
        desk.locations.contacts(SubscriberId(id), Tick(0)).first().copied().cloned().unwrap()
    };
    let many = i64::try_from(EXPIRED_PER_TURN_MAX).unwrap() + 5;
    let template = row(1);
    let rows = (1..=many).map(|id| {
        let subscriber = SubscriberId(id);
        (Holder::Subscriber(subscriber), Binding { subscriber, ..template.clone() })
    });
    locations.load(rows, Tick(0), WALL);
    locations.handle_timeout(Tick::default().plus_ms(60_000));
    assert_eq!(locations.len(), 5);
    assert!(locations.poll_timeout().is_some());
    locations.handle_timeout(Tick::default().plus_ms(60_000));
    assert!(locations.is_empty());
}

#[test]
fn loads_what_was_saved() {
    let mut desk = Desk::new();
    desk.register("a 7", &[&format!("{A} 60"), &format!("{B} 600")]).unwrap();
    let mut rows = Vec::new();
    while let Some(output) = desk.locations.poll_output() {
        match output {
            Output::Save { who, binding } => rows.push((who, *binding)),
            Output::Remove { .. } => panic!("nothing was removed"),
        }
    }
    // Another boot: its tick starts elsewhere, the wall clock went on by 100 s.
    let mut loaded = Desk::new();
    loaded.now_s = 5;
    loaded.locations.load(rows, loaded.now(), WALL + 100_000_000);
    assert_eq!(loaded.uris(), [B]);
    assert_eq!(loaded.output(), [format!("remove {A}")]);
    let old = loaded.register("a 6", &[&format!("{B} 60")]);
    assert_eq!(old, Err(RegisterError::OutOfOrder), "order is kept through a restart");
    assert_eq!(loaded.locations.poll_timeout(), Some(Tick::default().plus_ms(505_000)));
}

#[test]
fn lists_pages() {
    let mut desk = Desk::new();
    for id in 1..=3 {
        desk.subscriber.id = SubscriberId(id);
        desk.register("a 1", &[&format!("{A} 60"), &format!("{B} 60")]).unwrap();
    }
    let ids = |after: Option<i64>, limit| {
        let page = desk.locations.list(after.map(SubscriberId), limit, Tick(0));
        page.iter().map(|b| b.subscriber.0).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 5), [1, 1, 2, 2]);
    assert_eq!(ids(Some(2), 5), [3, 3]);
    assert_eq!(ids(Some(3), 5), [0; 0]);
    assert_eq!(ids(None, 1), [1]);
}

fn way(source: &str, uri: &str) -> (String, bool) {
    let mut desk = Desk::new();
    desk.register_from(source, "a 1", &[&format!("{uri} 60")]).unwrap();
    let contacts = desk.locations.contacts(SubscriberId(1), Tick(0));
    let reach = reach(contacts.first().unwrap());
    (reach.address.to_string(), reach.nated)
}

#[test]
fn the_way_to_a_contact() {
    let open = ("10.0.0.1:5060".to_owned(), false);
    assert_eq!(way("10.0.0.1:5060", A), open);
    assert_eq!(way("10.0.0.1:61000", A), open, "listens elsewhere than it sends from");
    assert_eq!(way("203.0.113.5:4001", A), ("203.0.113.5:4001".to_owned(), true));
    let name = "sip:1001@phone.example";
    assert_eq!(way("203.0.113.5:4001", name), ("203.0.113.5:4001".to_owned(), false));
}

/// One step of a random history.
#[derive(Clone, Debug)]
struct Step {
    wait_s: u64,
    call: u8,
    cseq: u32,
    contacts: Vec<(u8, u32)>,
    timer: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let contact = (0u8..7, prop_oneof![Just(0u32), 60u32..200]);
    let step =
        (0u64..50, 0u8..3, 1u32..6, prop::collection::vec(contact, 0..4), any::<bool>()).prop_map(
            |(wait_s, call, cseq, contacts, timer)| Step { wait_s, call, cseq, contacts, timer },
        );
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn laws_of_the_registrar(steps in steps()) {
        let mut desk = Desk::new();
        let mut stored = BTreeMap::new();
        for step in steps {
            desk.now_s += step.wait_s;
            let now = desk.now();
            let before: Vec<Binding> =
                desk.locations.contacts(SubscriberId(1), now).into_iter().cloned().collect();
            let texts: Vec<String> = step.contacts.iter()
                .map(|(host, expires)| format!("sip:1001@10.0.0.{host} {expires}")).collect();
            let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
            let outcome = desk.register(&format!("call{} {}", step.call, step.cseq), &refs);
            let after = desk.locations.contacts(SubscriberId(1), now);
            prop_assert!(after.len() <= usize::from(desk.subscriber.contacts_max));
            if outcome.is_err() {
                prop_assert!(after.iter().all(|b| before.contains(b)), "all or nothing");
                prop_assert_eq!(after.len(), before.len());
            }
            for new in &after {
                let old = before.iter().find(|b| b.uri == new.uri);
                if let Some(old) = old.filter(|b| b.sip_call_id == new.sip_call_id) {
                    prop_assert!(old.cseq <= new.cseq, "an older CSeq never replaces");
                }
            }
            if step.timer {
                desk.locations.handle_timeout(now);
                prop_assert!(desk.locations.poll_timeout().is_none_or(|at| at > now));
            }
            let wall = desk.wall();
            let alive = desk.locations.contacts(SubscriberId(1), now);
            prop_assert!(alive.iter().all(|b| b.expires_us > wall), "none outlives its expiry");
            // The store's twin holds what the outputs say.
            let alive: Vec<Binding> = alive.into_iter().cloned().collect();
            while let Some(output) = desk.locations.poll_output() {
                match output {
                    Output::Save { binding, .. } => {
                        stored.insert(binding.uri.clone(), *binding);
                    }
                    Output::Remove { uri, .. } => { stored.remove(&uri); }
                }
            }
            prop_assert!(alive.iter().all(|b| stored.get(&b.uri) == Some(b)));
            if step.timer {
                prop_assert_eq!(stored.len(), alive.len(), "and nothing else");
            }
        }
    }
}
