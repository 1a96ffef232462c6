//! What only the outside knows of a call, on the running product: a portability service and a name
//! server of the test's own, which answer, are silent, or are not there.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strowger_phone::flows::ALICE;

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::name::NameServer;
use crate::rest::text;
use crate::rows::{IN_FORCE, answered, lead_to, make, new_carrier, refused};
use crate::rule::told;
use crate::talk::desk;

/// A portability service: `GET /NUMBER` is answered with the prefix of the number, if it has one.
struct FakeDip {
    at: SocketAddr,
    known: Arc<Mutex<BTreeMap<String, &'static str>>>,
    asked: Arc<Mutex<Vec<String>>>,
    silent: Arc<AtomicBool>,
}

impl FakeDip {
    fn start() -> FakeDip {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let dip = FakeDip {
            at: listener.local_addr().unwrap(),
            known: Arc::default(),
            asked: Arc::default(),
            silent: Arc::default(),
        };
        let (known, asked, silent) =
            (Arc::clone(&dip.known), Arc::clone(&dip.asked), Arc::clone(&dip.silent));
        serve(listener, move |request| {
            let number = request.strip_prefix("GET /").unwrap_or_default();
            let number = number.split(' ').next().unwrap_or_default().to_owned();
            asked.lock().unwrap().push(number.clone());
            if silent.load(Ordering::Relaxed) {
                return None;
            }
            Some(match known.lock().unwrap().get(&number) {
                Some(prefix) => json!({"routing": {"prefix": prefix}}),
                None => json!({}),
            })
        });
        dip
    }

    fn port(&self, number: &str, prefix: &'static str) {
        self.known.lock().unwrap().insert(number.to_owned(), prefix);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers each request with JSON; one with none is held and never answered.
fn serve(listener: TcpListener, mut answer: impl FnMut(&str) -> Option<Value> + Send + 'static) {
    std::thread::spawn(move || {
        // All of it goes with the test's process.
        let mut unanswered = Vec::new();
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            let request = whole_request(&mut stream);
            let Some(body) = answer(&request).map(|body| body.to_string()) else {
                unanswered.push(stream);
                continue;
            };
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
            // Who asked may be gone.
            let _gone = write!(stream, "{head} {}\r\n\r\n{body}", body.len());
        }
    });
}

/// A request with its body.
fn whole_request(stream: &mut TcpStream) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4_096]);
    loop {
        let len = stream.read(&mut buffer).unwrap_or_default();
        text.push_str(&String::from_utf8_lossy(&buffer[..len]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if len == 0 {
                return text;
            }
            continue;
        };
        let length = head.to_lowercase().split("content-length: ").nth(1).map_or(0, |rest| {
            rest.lines().next().unwrap_or_default().parse::<usize>().unwrap_or_default()
        });
        if body.len() >= length || len == 0 {
            return text;
        }
    }
}

fn set_fact(demo: &Demo, name: &str, value: &str) {
    make(demo, "settings", &json!({"category": "fact", "name": name, "value": value}));
}

/// The demo with numbers asked about at `dip`, whose calls may wait so long.
fn start(home: &Home, dip: &FakeDip, wait_ms: &str) -> Demo {
    let config = format!(
        "[facts.dip]\nurl = \"http://{}/{{number}}\"\npointer = \"/routing/prefix\"\n",
        dip.at
    );
    let demo = Demo::start_with(home, &config);
    set_fact(&demo, "portability", "true");
    set_fact(&demo, "wait_ms", wait_ms);
    demo
}

fn missing(demo: &Demo) -> u64 {
    demo.rest.metric("strowger_facts_missing_total")
}

#[test]
fn a_ported_number_goes_to_the_trunk_of_its_operator() {
    let (home, dip) = (Home::new(), FakeDip::start());
    let demo = start(&home, &dip, "2000");
    let (usual, other) = (new_carrier(&demo), new_carrier(&demo));
    lead_to(&demo, usual.addr());
    let trunk = json!({
        "tenant": "1", "organization": "3", "name": "other operator",
        "egress": {"targets": [other.addr().to_string()], "account": "3"},
    });
    let trunk = make(&demo, "trunks", &trunk);
    let route = json!({"tenant": "1", "prefix": "4499", "targets": [{"trunk": trunk}]});
    make(&demo, "routes", &route);
    std::thread::sleep(IN_FORCE);
    dip.port("44123", "4499");

    let ada = desk(&demo, ALICE);
    answered(&ada.invite("44123").unwrap());
    answered(&ada.invite("44124").unwrap());
    answered(&ada.invite("44123").unwrap());
    let numbers = |carrier: &strowger_phone::carrier::Carrier| {
        carrier.seen().iter().map(|seen| seen.number().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&other), ["449944123", "449944123"]);
    assert_eq!(numbers(&usual), ["44124"]);
    assert_eq!(dip.asked(), ["44123", "44124"], "an answer is kept");
    let cdrs = demo.rest.cdrs(3);
    assert_eq!(text(&cdrs[0], "called.dialled"), "449944123", "{:#}", cdrs[0]);
    // A dry run asks, too, and says what came of it.
    let why = told(&demo, "44123");
    assert!(why.contains("the portability service says another number to route by"), "{why}");
    let why = told(&demo, "44125");
    assert!(why.contains("says that the number was not ported"), "{why}");
    assert_eq!(missing(&demo), 0);
    assert_tidy(&demo);
}

#[test]
fn a_call_goes_on_when_the_service_is_silent_unless_it_must_not() {
    let (home, dip) = (Home::new(), FakeDip::start());
    let demo = start(&home, &dip, "400");
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    dip.silent.store(true, Ordering::Relaxed);

    let began = Instant::now();
    answered(&ada.invite("44123").unwrap());
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    assert_eq!(carrier.seen()[0].number(), "44123");
    assert_eq!(missing(&demo), 1);
    // The reasons of the call say so.
    let id = text(&demo.rest.cdrs(1)[0], "id").to_owned();
    let said = crate::demo::eventually("the trace is written", || {
        let trace = demo.rest.get(&format!("/api/v1/cdrs/{id}/trace")).to_string();
        trace.contains("portability").then_some(trace)
    });
    assert!(said.contains("the portability service says nothing: no answer in time"), "{said}");
    assert!(said.contains("the call goes on without that answer"), "{said}");
    // Whose calls must not go on without it are refused.
    set_fact(&demo, "portability_unknown", "refuse");
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "44126"), 480);
    let why = told(&demo, "44127");
    assert!(why.contains("the call does not go on without that answer"), "{why}");
    assert_tidy(&demo);
}

/// NAPTR records (RFC 3403 4.1).
const NAPTR: u16 = 35;

#[test]
fn a_number_of_enum_is_called_where_its_uri_leads_and_by_routes_when_that_fails() {
    let (home, names) = (Home::new(), NameServer::start());
    let config = format!("dns.servers = [\"{}\"]\nfacts.enum_suffix = \"e164.test\"\n", names.at);
    let demo = Demo::start_with(&home, &config);
    let (usual, direct) = (new_carrier(&demo), new_carrier(&demo));
    lead_to(&demo, usual.addr());
    let trunk = json!({
        "tenant": "1", "organization": "3", "name": "direct",
        "egress": {"targets": ["192.0.2.1:5060"], "account": "3"},
    });
    let trunk = make(&demo, "trunks", &trunk);
    set_fact(&demo, "enum_trunk", &trunk);
    set_fact(&demo, "wait_ms", "2000");
    std::thread::sleep(IN_FORCE);
    let uri = format!("sip:\\1@{}", direct.addr());
    names.put("3.2.1.4.4.e164.test", NAPTR, vec![naptr(&format!("!^\\+(.*)$!{uri}!"))]);

    let ada = desk(&demo, ALICE);
    answered(&ada.invite("44123").unwrap());
    answered(&ada.invite("44124").unwrap());
    let uri = direct.seen()[0].invite.uri().to_owned();
    assert_eq!(uri, format!("sip:44123@{}", direct.addr()));
    assert_eq!((direct.seen().len(), usual.seen().len()), (1, 1));
    let why = told(&demo, "44123");
    assert!(why.contains("ENUM leads to 1 addresses"), "{why}");
    direct.otherwise(strowger_phone::carrier::Script::refuse(503));
    answered(&ada.invite("44123").unwrap());
    assert_eq!((direct.seen().len(), usual.seen().len()), (2, 2), "the route comes after it");
    // Nothing leads into this host.
    let own = format!("!^.*$!sip:a@{}!", demo.sip);
    names.put("5.2.1.4.4.e164.test", NAPTR, vec![naptr(&own)]);
    answered(&ada.invite("44125").unwrap());
    assert_eq!(usual.seen().len(), 3);
    assert_tidy(&demo);
}

/// The data of a record that ends the search with a SIP URI.
fn naptr(regexp: &str) -> Vec<u8> {
    let text = |text: &str| {
        let len = u8::try_from(text.len()).unwrap();
        [&[len][..], text.as_bytes()].concat()
    };
    let numbers = [10u16, 20].map(u16::to_be_bytes).concat();
    [numbers, text("u"), text("E2U+sip"), text(regexp), vec![0]].concat()
}

#[test]
fn the_hook_refuses_a_call_sends_another_elsewhere_and_lets_the_rest_go_on() {
    let home = Home::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
    let calls = Arc::clone(&heard);
    serve(listener, move |request| {
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let call: Value = serde_json::from_str(body).unwrap();
        let called = call["called"].as_str().unwrap().to_owned();
        calls.lock().unwrap().push(call);
        Some(match called.as_str() {
            "44123" => json!({"action": "refuse", "status": 603}),
            "44124" => json!({"action": "continue", "called": "44999"}),
            "44125" => json!({"action": "continue", "tariff": "7"}),
            _ => json!({"action": "continue"}),
        })
    });
    let demo = Demo::start_with(&home, &format!("facts.hook.url = \"http://{at}/calls\"\n"));
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    set_fact(&demo, "hook", "true");
    set_fact(&demo, "wait_ms", "2000");
    std::thread::sleep(IN_FORCE);

    let ada = desk(&demo, ALICE);
    assert_eq!(refused(&ada, "44123"), 603);
    answered(&ada.invite("44124").unwrap());
    // What is not one of its forms is no answer.
    answered(&ada.invite("44125").unwrap());
    answered(&ada.invite("44126").unwrap());
    let numbers: Vec<String> = carrier.seen().iter().map(|s| s.number().to_owned()).collect();
    assert_eq!(numbers, ["44999", "44125", "44126"]);
    let first = heard.lock().unwrap()[0].clone();
    assert_eq!((text(&first, "called"), text(&first, "tenant")), ("44123", "1"), "{first:#}");
    assert_eq!(text(&first, "subscriber"), "1", "{first:#}");
    assert_eq!(missing(&demo), 1);
    let why = told(&demo, "44123");
    assert!(why.contains("the hook refuses the call with 603"), "{why}");
    let why = told(&demo, "44125");
    assert!(why.contains("the hook says nothing: it failed"), "{why}");
    assert_tidy(&demo);
}
