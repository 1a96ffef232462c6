use super::*;
use crate::testing;
use proptest::prelude::*;
use strowger_link::{
    Algorithm, ContactAsk, Credentials, FlowEpoch, FlowToken, Transport as WireTransport,
};
use strowger_model::{ContactsFull, SendTo, Subscriber};

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
        supported: Vec::new(),
        direct: true,
        nated: false,
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
    locations.handle_timeout(Tick::default().plus_ms(120_000));
    assert_eq!(locations.len(), 5);
    assert!(locations.poll_timeout().is_some());
    locations.handle_timeout(Tick::default().plus_ms(120_000));
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
    // Another boot: its tick starts elsewhere, the wall clock went on by 121 s. Each is given a
    // grace of 60 s.
    let mut loaded = Desk::new();
    loaded.now_s = 5;
    loaded.locations.load(rows, loaded.now(), WALL + 121_000_000);
    assert_eq!(loaded.uris(), [B]);
    assert_eq!(loaded.output(), [format!("remove {A}")]);
    let old = loaded.register("a 6", &[&format!("{B} 60")]);
    assert_eq!(old, Err(RegisterError::OutOfOrder), "order is kept through a restart");
    assert_eq!(loaded.locations.poll_timeout(), Some(Tick::default().plus_ms(544_000)));
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
    way_by(SendTo::ByContact, source, uri, false, &[])
}

fn way_by(send_to: SendTo, source: &str, uri: &str, nated: bool, path: &[&str]) -> (String, bool) {
    let path = path.iter().map(|value| (*value).to_owned()).collect();
    let binding = Binding { nated, path, ..testing::binding(uri, source) };
    let reach = reach(&binding, send_to);
    (reach.address.to_string(), reach.nated)
}

#[test]
fn the_way_to_a_contact_by_mode() {
    let public = "203.0.113.5:4001";
    let (source, contact) = ((public.to_owned(), true), ("10.0.0.1:5060".to_owned(), true));
    assert_eq!(way_by(SendTo::Source, public, A, false, &[]), source);
    assert_eq!(way_by(SendTo::Contact, public, A, false, &[]), contact);
    let name = "sip:1001@phone.example";
    let at_source = (public.to_owned(), false);
    assert_eq!(way_by(SendTo::Contact, public, name, false, &[]), at_source, "no address in it");
    let near = ("10.0.0.1:61000".to_owned(), false);
    assert_eq!(way_by(SendTo::Source, "10.0.0.1:61000", A, false, &[]), near);
    // A device that found out its public address, and says by its Via that it has another one.
    let learned = "sip:1001@203.0.113.5:5060";
    assert_eq!(way_by(SendTo::ByContact, public, learned, true, &[]), source);
    // Proxies of its own are asked first, and have no NAT that is ours to open.
    let path = ["<sip:192.0.2.77:5080;lr>", "<sip:10.9.9.9;lr>"];
    let proxy = ("192.0.2.77:5080".to_owned(), false);
    assert_eq!(way_by(SendTo::ByContact, "192.0.2.7:5060", A, false, &path), proxy);
    let by_source = ("192.0.2.7:5060".to_owned(), false);
    assert_eq!(way_by(SendTo::Source, "192.0.2.7:5060", A, false, &path), by_source);
    let named = ["<sip:edge.example;lr>"];
    assert_eq!(way_by(SendTo::ByContact, "192.0.2.7:5060", A, false, &named), by_source);
}

#[test]
fn one_more_than_allowed_is_refused_if_so_set() {
    let mut desk = Desk::new();
    let registrant = |desk: &Desk| Registrant {
        contacts_max: 1,
        full: ContactsFull::Refuse,
        ..Registrant::from(&desk.subscriber)
    };
    let hints = testing::hints("10.0.0.1:5060");
    let mut register = |call: &str, contact: &str| {
        let ask = ask(call, &[contact]);
        let registrant = registrant(&desk);
        desk.locations.register(registrant, &ask, &hints, Tick(0), WALL).map(|bound| bound.len())
    };
    assert_eq!(register("a 1", &format!("{A} 60")), Ok(1));
    assert_eq!(register("b 1", &format!("{B} 60")), Err(RegisterError::TooMany));
    assert_eq!(register("a 2", &format!("{A} 60")), Ok(1), "its own again");
    assert_eq!(register("a 3", &format!("{A} 0")), Ok(0));
    assert_eq!(register("b 2", &format!("{B} 60")), Ok(1));
}

#[test]
fn long_lifetimes_are_spread() {
    let granted = |percent, wanted: u32| -> Vec<u32> {
        (0..200)
            .map(|n| {
                let mut locations = Locations::default();
                let subscriber = testing::subscriber(1, "1001");
                let registrant =
                    Registrant { spread_percent: percent, ..Registrant::from(&subscriber) };
                let ask = ask("a 1", &[&format!("sip:1001@10.0.{n}.1 {wanted}")]);
                let hints = testing::hints("10.0.0.1:5060");
                let bound = locations.register(registrant, &ask, &hints, Tick(0), WALL).unwrap();
                bound[0].expires_s
            })
            .collect()
    };
    assert!(granted(0, 3_600).iter().all(|s| *s == 3_600));
    assert!(granted(50, 600).iter().all(|s| *s == 600), "short ones are granted as wanted");
    let spread = granted(10, 3_600);
    assert!(spread.iter().all(|s| (3_240..=3_600).contains(s)), "{spread:?}");
    let distinct: BTreeSet<&u32> = spread.iter().collect();
    assert!(distinct.len() > 100, "{distinct:?}");
    assert!(granted(50, 700).iter().all(|s| *s >= 600), "not below what is granted as wanted");
}

#[test]
fn a_refresh_is_written_when_the_store_is_behind_by_more_than_the_grace() {
    let mut desk = Desk::new();
    let refresh = |desk: &mut Desk, cseq: u32| {
        desk.register(&format!("a {cseq}"), &[&format!("{A} 60")]).unwrap();
        desk.output().len()
    };
    assert_eq!(refresh(&mut desk, 1), 1);
    let mut written = Vec::new();
    for cseq in 2..=9 {
        desk.now_s += 25;
        written.push(refresh(&mut desk, cseq));
    }
    assert_eq!(written, [0, 0, 1, 0, 0, 1, 0, 0], "once in 75 s");
    // Anything else that changes is written at once.
    desk.register("a 10", &[&format!("{A} 60 ;+sip.instance=\"<urn:x>\"")]).unwrap();
    assert_eq!(desk.output(), [format!("save {A}")]);
    desk.register_from("10.0.0.1:7000", "a 11", &[&format!("{A} 60")]).unwrap();
    assert_eq!(desk.output(), [format!("save {A}")]);
    desk.register("b 1", &[&format!("{A} 60")]).unwrap();
    assert_eq!(desk.output(), [format!("save {A}")]);
}

#[test]
fn answers_say_what_a_contact_said_of_itself() {
    let mut desk = Desk::new();
    let hints = testing::hints("10.0.0.1:5060");
    let mut ask = ask("a 1", &[&format!("{A} 60 ;+sip.instance=\"<urn:x:1>\";reg-id=3")]);
    ask.contacts[0].q = 250;
    let registrant =
        Registrant { aor: Some("1001@demo.example".into()), ..Registrant::from(&desk.subscriber) };
    let bound = desk.locations.register(registrant, &ask, &hints, Tick(0), WALL).unwrap();
    let (told, temporary) = bound[0].params.split_once(";temp-gruu=").unwrap();
    let expect = ";q=0.250;+sip.instance=\"<urn:x:1>\";reg-id=3;\
                  pub-gruu=\"sip:1001@demo.example;gr=urn:x:1\"";
    assert_eq!(told, expect);
    assert!(temporary.starts_with("\"sip:tgruu."), "{temporary}");
    // Who did not ask for them gets none; what could break a line is refused.
    let plain = desk.locations.register(&desk.subscriber, &ask, &hints, Tick(0), WALL);
    assert!(!plain.unwrap()[0].params.contains("gruu"));
    for bad in ["a b", "a\u{e4}", "a\\b"] {
        let text = format!("{B} 60 ;+sip.instance=\"{bad}\"").replacen(' ', "\t", 0);
        let mut ask = super::tests::ask("z 1", &[&format!("{B} 60")]);
        ask.contacts[0].params = text.split_once(" ;").map(|(_, p)| format!(";{p}")).unwrap();
        let refused = desk.locations.register(&desk.subscriber, &ask, &hints, Tick(0), WALL);
        assert_eq!(refused, Err(RegisterError::Contact), "{bad}");
    }
}

#[test]
fn a_lost_connection_takes_its_contact_until_it_registers_again() {
    let mut desk = Desk::new();
    let hints = testing::hints("10.0.0.1:5060");
    let by_flow = |desk: &mut Desk, call: &str, uri: &str, flow: u64| {
        let ask = RegisterAsk { flow, ..ask(call, &[&format!("{uri} 60")]) };
        desk.locations.register(&desk.subscriber, &ask, &hints, Tick(0), WALL).unwrap();
    };
    let token = |epoch, life| FlowToken { epoch, shard: 2, place: 1, life }.to_word().unwrap();
    by_flow(&mut desk, "a 1", A, token(5, 7));
    by_flow(&mut desk, "b 1", B, 0);
    while desk.locations.poll_touched().is_some() {}
    assert_eq!(desk.locations.lose_flow(token(5, 8)), 0);
    assert_eq!(desk.locations.lose_flow(token(5, 7)), 1);
    assert_eq!(desk.locations.lose_flow(token(5, 7)), 0, "said again");
    assert_eq!(desk.locations.poll_touched().map(|touched| touched.uri).as_deref(), Some(A));
    assert_eq!(desk.uris(), [B]);
    assert!(desk.locations.is_lost(SubscriberId(1), A));
    by_flow(&mut desk, "a 2", A, token(5, 9));
    assert_eq!(desk.uris().len(), 2);
    let epoch = |shard, epoch| FlowEpoch { shard, epoch };
    assert_eq!(desk.locations.lose_flows(epoch(2, 5)), 0, "the life that it belongs to");
    assert_eq!(desk.locations.lose_flows(epoch(1, 6)), 0, "another shard's");
    assert_eq!(desk.locations.lose_flows(epoch(2, 6)), 1, "a new life of the shard");
    assert_eq!(desk.uris(), [B]);
    // A REGISTER is what brings it back.
    by_flow(&mut desk, "a 3", A, token(6, 1));
    assert_eq!(desk.uris().len(), 2);
}

#[test]
fn a_contact_that_listens_outlives_its_connection() {
    let token = FlowToken { epoch: 5, shard: 2, place: 1, life: 7 }.to_word().unwrap();
    // What was asked to be kept as a flow, what a NAT hides, and what no TCP is, is lost with it.
    for (transport, source, params, lives) in [
        (WireTransport::Tcp, "10.0.0.1:40000", "", true),
        (WireTransport::Tls, "10.0.0.1:40000", "", true),
        (WireTransport::Tcp, "203.0.113.5:40000", "", false),
        (WireTransport::Ws, "10.0.0.1:40000", "", false),
    ] {
        let mut desk = Desk::new();
        let hints = Hints { transport, ..testing::hints(source) };
        let ask = RegisterAsk { flow: token, ..ask("a 1", &[&format!("{A} 60{params}")]) };
        desk.locations.register(&desk.subscriber, &ask, &hints, Tick(0), WALL).unwrap();
        assert_eq!(desk.locations.lose_flow(token), u64::from(!lives), "{transport:?} {source}");
        assert_eq!(desk.uris().len(), usize::from(lives), "{transport:?} {source}");
        assert_eq!(desk.locations.is_lost(SubscriberId(1), A), !lives);
        // It is called by a new connection, so a second loss takes nothing.
        assert_eq!(desk.locations.lose_flow(token), 0);
    }
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

/// Whether the store knows a binding, but for refreshes within the grace.
fn is_near(stored: &Binding, binding: &Binding) -> bool {
    let behind_us = binding.expires_us - stored.expires_us;
    let Binding { cseq, refreshed_us, expires_us, .. } = *binding;
    let same = Binding { cseq, refreshed_us, expires_us, ..stored.clone() };
    same == *binding && (0..=BINDING_GRACE_US).contains(&behind_us)
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
            prop_assert!(alive.iter().all(|b| stored.get(&b.uri).is_some_and(|s| is_near(s, b))));
            if step.timer {
                prop_assert_eq!(stored.len(), alive.len(), "and nothing else");
            }
        }
    }
}

/// The same request on the whole way of RFC 3261 10.3.
fn whole_way(
    locations: &mut Locations,
    subscriber: &Subscriber,
    (ask, hints): (&RegisterAsk, &Hints),
    (now, wall_us): (Tick, i64),
) -> Result<(), RegisterError> {
    let registrant = Registrant::from(subscriber);
    let who = registrant.who;
    let request = Request { registrant, ask, hints, now, wall_us };
    let old = locations.alive(who, now);
    let new = request.update(old, &mut locations.serial)?;
    locations.commit(who, new);
    Ok(())
}

/// One REGISTER of a phone that may change what it says from one to the next.
#[derive(Clone, Debug)]
struct Said {
    wait_s: u64,
    cseq_more: u32,
    contacts: Vec<(u8, u32, u8)>,
    /// Which other things it says otherwise.
    other: u8,
}

fn sayings() -> impl Strategy<Value = Vec<Said>> {
    let contact = (0u8..3, prop_oneof![1 => Just(0u32), 9 => 60u32..200], 0u8..3);
    let said = (0u64..40, 0u32..4, prop::collection::vec(contact, 1..3), 0u8..24).prop_map(
        |(wait_s, cseq_more, contacts, other)| Said { wait_s, cseq_more, contacts, other },
    );
    prop::collection::vec(said, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_refresh_is_what_the_whole_way_makes_of_it(sayings in sayings()) {
        let (mut desk, mut whole) = (Desk::new(), Locations::default());
        let (mut cseq, mut refreshed) = (1, 0);
        for said in sayings {
            desk.now_s += said.wait_s;
            cseq += said.cseq_more;
            let contacts: Vec<String> = said.contacts.iter()
                .map(|(host, expires, device)| match device {
                    0 => format!("sip:1001@10.0.0.{host} {expires}"),
                    _ => format!(
                        "sip:1001@10.0.0.{host} {expires} ;+sip.instance=\"<u:{device}>\";reg-id=1"
                    ),
                })
                .collect();
            let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
            let mut ask = ask(&format!("call {cseq}"), &contacts);
            let mut hints = testing::hints("10.0.0.1:5060");
            match said.other {
                0 => ask.sip_call_id = "other".into(),
                1 => ask.user_agent = "x".repeat(100),
                2 => ask.path = vec!["<sip:p;lr>".into()],
                3 => ask.nated = true,
                4 => ask.flow = 7,
                5 => ask.contacts[0].q = 500,
                6 => hints = testing::hints("10.0.0.2:5060"),
                7 => hints.transport = WireTransport::Tcp,
                8 => hints.listener = 1,
                _ => {}
            }
            let times = (desk.now(), desk.wall());
            let before = desk.locations.clone();
            let registrant = Registrant::from(&desk.subscriber);
            let request =
                Request { registrant, ask: &ask, hints: &hints, now: times.0, wall_us: times.1 };
            refreshed += u32::from(before.clone().refresh(&request));
            let got = desk.locations.register(&desk.subscriber, &ask, &hints, times.0, times.1);
            let wanted = whole_way(&mut whole, &desk.subscriber, (&ask, &hints), times);
            prop_assert_eq!(got.map(|_| ()), wanted);
            prop_assert_eq!(&desk.locations.users, &whole.users);
            prop_assert_eq!(&desk.locations.expiries, &whole.expiries);
            prop_assert_eq!(&desk.locations.out, &whole.out);
            let told = |locations: &Locations| -> Vec<(Holder, String)> {
                locations.touched.iter().map(|t| (t.who, t.uri.clone())).collect()
            };
            prop_assert_eq!(told(&desk.locations), told(&whole));
            prop_assert_eq!(desk.locations.serial, whole.serial);
            if desk.now_s % 3 == 0 {
                desk.locations.handle_timeout(times.0);
                whole.handle_timeout(times.0);
            }
        }
        // Most cases have some.
        prop_assume!(refreshed > 0);
    }
}

#[test]
fn a_contact_takes_room_for_itself_alone() {
    let mut desk = Desk::new();
    desk.register("a 1", &[&format!("{A} 60")]).unwrap();
    let who = Holder::Subscriber(desk.subscriber.id);
    assert_eq!(desk.locations.users[&who].capacity(), 1);
    desk.register("b 1", &[&format!("{B} 60")]).unwrap();
    assert_eq!(desk.locations.users[&who].capacity(), 2);
    desk.register("a 2", &[&format!("{A} 0")]).unwrap();
    assert_eq!(desk.locations.users[&who].capacity(), 1);
}
