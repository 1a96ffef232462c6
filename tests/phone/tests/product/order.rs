//! Which of several suppliers takes a call: by price, by how they did, by quality, by weight.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use strowger_phone::Phone;
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::flows::ALICE;
use strowger_phone::message::Message;

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::{IN_FORCE, answered, anywhere, make, new_carrier, refused, set};
use crate::talk::desk;

/// A failed supplier is tried again so long after.
const RETRY_MS: u64 = 3_000;

/// A supplier with a tariff of its own: its trunk.
pub(crate) fn supplier(demo: &Demo, name: &str, price: &str, carrier: &Carrier) -> String {
    let tariff = json!({"tenant": "1", "name": name, "currency": "EUR", "kind": "supplier"});
    let tariff = make(demo, "tariffs", &tariff);
    let send = |path: &str, body: &Value, status: u16| {
        let path = format!("/api/v1/tariffs/{tariff}/{path}");
        let (is, said) = demo.rest.post(&path, "", &body.to_string());
        assert_eq!(is, status, "{path}: {said}");
        said
    };
    let revision = send("revisions", &json!({}), 201)["number"].to_string();
    let rates = json!([{"prefix": "44", "price": {"amount": price}}]);
    send(&format!("revisions/{revision}/rates"), &rates, 201);
    send(&format!("revisions/{revision}/publish"), &json!({}), 200);
    let trunk = json!({
        "tenant": "1", "organization": "3", "name": name,
        "egress": {"targets": [carrier.addr().to_string()], "account": "3", "tariff": tariff},
    });
    make(demo, "trunks", &trunk)
}

/// Sets something for the whole switch.
fn turn(demo: &Demo, name: &str, value: &str) {
    make(demo, "settings", &json!({"category": "route", "name": name, "value": value}));
}

/// The targets of a call to 44123, in the order to try.
pub(crate) fn targets(demo: &Demo, at: Option<&str>) -> Vec<Value> {
    let mut test = json!({"username": "1001", "called": "44123"});
    if let Some(at) = at {
        test["at"] = json!(at);
    }
    let (status, told) = demo.rest.post("/api/v1/route-tests", "", &test.to_string());
    assert_eq!((status, text(&told, "verdict")), (200, "go"), "{told:#}");
    told["targets"].as_array().unwrap().clone()
}

pub(crate) fn names(targets: &[Value]) -> Vec<&str> {
    targets.iter().map(|target| text(target, "name")).collect()
}

fn failures(demo: &Demo, trunk: &str) -> usize {
    let told = demo.rest.get(&format!("/api/v1/trunks/{trunk}/failures"));
    told["items"].as_array().map_or(0, Vec::len)
}

/// What a call came to is told when it has ended, and nobody hurries with it.
const TOLD: Duration = Duration::from_millis(900);

/// A call that is answered, and what it came to is known.
pub(crate) fn called(ada: &Phone) {
    answered(&ada.invite("44123").unwrap());
    std::thread::sleep(TOLD);
}

/// A demo with three suppliers at `home`, and a route to all of them.
pub(crate) fn three(home: &Home) -> (Demo, [Carrier; 3], [String; 3]) {
    let demo = Demo::start(home);
    let carriers = [new_carrier(&demo), new_carrier(&demo), new_carrier(&demo)];
    let [dear, cheap, middle] = &carriers;
    let trunks = [
        supplier(&demo, "dear", "0.03", dear),
        supplier(&demo, "cheap", "0.01", cheap),
        supplier(&demo, "middle", "0.02", middle),
    ];
    let targets = trunks.each_ref().map(|trunk| json!({"trunk": trunk}));
    set(&demo, "routes/1", &json!({"targets": targets, "order": "price"}));
    (demo, carriers, trunks)
}

pub(crate) fn asked(carriers: &[Carrier; 3]) -> [usize; 3] {
    carriers.each_ref().map(|carrier| carrier.seen().len())
}

#[test]
fn the_cheapest_is_called_and_one_that_fails_stands_behind_until_it_works() {
    let home = Home::new();
    let (demo, carriers, [_, cheap, _]) = three(&home);
    turn(&demo, "failures_max", "2");
    turn(&demo, "retry_ms", &RETRY_MS.to_string());
    std::thread::sleep(IN_FORCE);
    let ada = desk(&demo, ALICE);
    let order = targets(&demo, None);
    assert_eq!(names(&order), ["cheap", "middle", "dear"]);
    // 135 seconds at 0.01 a minute.
    assert_eq!(text(&order[0], "cost.amount"), "0.02250000");
    answered(&ada.invite("44123").unwrap());
    assert_eq!(asked(&carriers), [0, 1, 0]);

    // Two calls that it fails go on to the next; then it is asked no more.
    carriers[1].otherwise(Script::refuse(503));
    for _ in 0..3 {
        called(&ada);
    }
    assert_eq!((asked(&carriers), failures(&demo, &cheap)), ([0, 3, 3], 2));
    let order = targets(&demo, None);
    assert_eq!(names(&order), ["middle", "dear", "cheap"]);
    assert_eq!(order[2]["failed"], true, "{order:#?}");
    assert_eq!(failures(&demo, &cheap), 2);

    // It is tried again with one call, in vain, and then only after twice the time.
    std::thread::sleep(Duration::from_millis(RETRY_MS));
    called(&ada);
    called(&ada);
    assert_eq!(asked(&carriers), [0, 4, 5]);
    carriers[1].otherwise(Script::echo());
    std::thread::sleep(Duration::from_millis(2 * RETRY_MS));
    for _ in 0..2 {
        called(&ada);
    }
    assert_eq!(asked(&carriers), [0, 6, 5]);
    assert_eq!(failures(&demo, &cheap), 0);

    // By hand it comes back at once.
    carriers[1].otherwise(Script::refuse(503));
    for _ in 0..2 {
        called(&ada);
    }
    assert_eq!(names(&targets(&demo, None))[0], "middle");
    let (status, left) = demo.rest.post(&format!("/api/v1/trunks/{cheap}/restore"), "", "");
    assert_eq!((status, &left["items"]), (200, &json!([])), "{left}");
    assert_eq!(names(&targets(&demo, None))[0], "cheap");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn quality_beats_price_where_it_is_asked_for() {
    let home = Home::new();
    let (demo, carriers, trunks) = three(&home);
    turn(&demo, "quality_percent", "100");
    let ada = desk(&demo, ALICE);
    // The cheapest reaches nobody, which is no fault of its own; the next one is answered.
    carriers[1].otherwise(Script::refuse(486));
    for _ in 0..5 {
        assert_eq!(refused(&ada, "44123"), 486);
    }
    let route = |weights: [u16; 3], order: &str| {
        let target = |(trunk, weight): (&String, u16)| json!({"trunk": trunk, "weight": weight});
        let targets: Vec<Value> = trunks.iter().zip(weights).map(target).collect();
        set(&demo, "routes/1", &json!({"targets": targets, "order": order}));
        std::thread::sleep(IN_FORCE);
    };
    carriers[1].otherwise(Script::refuse(503));
    for _ in 0..3 {
        called(&ada);
    }
    carriers[1].otherwise(Script::echo());
    assert_eq!(names(&targets(&demo, None))[0], "cheap");
    route([1, 1, 1], "quality");
    // One call in ten may go to somebody who is not known.
    let first: Vec<Value> = (0..20).map(|_| targets(&demo, None)[0].clone()).collect();
    let middle = first.iter().filter(|target| text(target, "name") == "middle").count();
    assert!(middle >= 10, "{first:#?}");
    let of_middle = first.iter().find(|target| text(target, "name") == "middle").unwrap();
    assert_eq!(of_middle["asr_percent"], 100, "{of_middle:#}");

    // Shares over a thousand calls that nobody makes.
    route([70, 0, 30], "weight");
    let mut dear = 0;
    for n in 0..1_000 {
        let order = targets(&demo, Some(&format!("2030-01-01T00:00:00.{n:06}Z")));
        let names = names(&order);
        assert_eq!(names[2], "cheap");
        dear += usize::from(names[0] == "dear");
    }
    assert!((640..760).contains(&dear), "{dear}");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn what_failed_is_known_after_a_restart_of_the_control_plane() {
    let home = Home::new();
    let (demo, carriers, [_, cheap, _]) = three(&home);
    turn(&demo, "failures_max", "2");
    std::thread::sleep(IN_FORCE);
    let ada = desk(&demo, ALICE);
    called(&ada);
    carriers[1].otherwise(Script::refuse(503));
    called(&ada);
    called(&ada);
    let known = || {
        let order = targets(&demo, None);
        assert_eq!(names(&order), ["middle", "dear", "cheap"]);
        assert_eq!(order[2]["failed"], true, "{order:#?}");
    };
    known();
    assert_eq!(failures(&demo, &cheap), 2);
    demo.replace(demo.planes().controld);
    known();
    assert_eq!(failures(&demo, &cheap), 2);
    let asked_before = asked(&carriers);
    called(&ada);
    assert_eq!(asked(&carriers), [asked_before[0], asked_before[1], asked_before[2] + 1]);
    assert_tidy(&demo);
    demo.stop();
}

/// Answers the next OPTIONS that comes to a socket.
fn answer_probe(socket: &UdpSocket) {
    let mut bytes = [0; 2_048];
    loop {
        let (len, from) = socket.recv_from(&mut bytes).unwrap();
        let request = Message::parse(&bytes[..len]).unwrap();
        assert_eq!(request.method(), "OPTIONS");
        let answer = Message::response(200, &request, Some("probed")).to_bytes();
        socket.send_to(&answer, from).unwrap();
        // What came while nobody listened was answered first.
        socket.set_nonblocking(true).unwrap();
        let is_last = socket.peek_from(&mut bytes).is_err();
        socket.set_nonblocking(false).unwrap();
        if is_last {
            return;
        }
    }
}

/// Answers each OPTIONS that comes by a connection until `keeps` says no more.
fn answer_by_connections(listener: TcpListener, keeps: Arc<AtomicBool>) {
    listener.set_nonblocking(true).unwrap();
    let mut streams: Vec<TcpStream> = Vec::new();
    while keeps.load(Ordering::Relaxed) {
        streams.extend(listener.accept().ok().map(|(stream, _)| stream));
        streams.retain_mut(|stream| {
            stream.set_nonblocking(true).unwrap();
            let mut bytes = [0; 2_048];
            let Ok(len) = stream.read(&mut bytes) else { return true };
            let Ok(request) = Message::parse(&bytes[..len]) else { return false };
            assert_eq!(request.method(), "OPTIONS");
            assert!(request.header("Via").unwrap().starts_with("SIP/2.0/TCP "));
            let answer = Message::response(200, &request, Some("probed")).to_bytes();
            stream.write_all(&answer).is_ok()
        });
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Nobody listens, somebody listens and answers, and then is gone with the connection.
#[test]
fn a_supplier_by_connections_is_probed_by_them() {
    let home = Home::new();
    let (demo, _carriers, [_, cheap, _]) = three(&home);
    let listener = TcpListener::bind(anywhere()).unwrap();
    let target = listener.local_addr().unwrap();
    drop(listener);
    let egress = json!({
        "targets": [target.to_string()], "transport": "tcp", "probe_ms": 1000,
    });
    set(&demo, &format!("trunks/{cheap}"), &json!({"egress": egress}));
    let sinks = || (names(&targets(&demo, None)) == ["middle", "dear", "cheap"]).then_some(());
    let is_back = || (names(&targets(&demo, None)) == ["cheap", "middle", "dear"]).then_some(());
    eventually("a supplier without a listener sinks", sinks);
    let keeps = Arc::new(AtomicBool::new(true));
    let peer = {
        let (listener, keeps) = (TcpListener::bind(target).unwrap(), Arc::clone(&keeps));
        std::thread::spawn(move || answer_by_connections(listener, keeps))
    };
    eventually("a supplier that answers is back", is_back);
    assert_eq!(failures(&demo, &cheap), 0);
    keeps.store(false, Ordering::Relaxed);
    peer.join().unwrap();
    eventually("a supplier whose connection is gone sinks", sinks);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_supplier_that_answers_no_probe_stands_behind_until_it_does() {
    let home = Home::new();
    let (demo, _carriers, [_, cheap, _]) = three(&home);
    let silent = UdpSocket::bind(anywhere()).unwrap();
    let target = silent.local_addr().unwrap().to_string();
    let probed = json!({"egress": {"targets": [target], "probe_ms": 1000}});
    set(&demo, &format!("trunks/{cheap}"), &probed);
    assert_eq!(names(&targets(&demo, None)), ["cheap", "middle", "dear"]);
    // No call has to fail for it.
    eventually("a supplier that is silent sinks", || {
        (names(&targets(&demo, None)) == ["middle", "dear", "cheap"]).then_some(())
    });
    assert_eq!(targets(&demo, None)[2]["failed"], true);
    assert_eq!(failures(&demo, &cheap), 1);
    answer_probe(&silent);
    eventually("a supplier that answers is back", || {
        (names(&targets(&demo, None)) == ["cheap", "middle", "dear"]).then_some(())
    });
    assert_eq!(failures(&demo, &cheap), 0);
    assert_tidy(&demo);
    demo.stop();
}
