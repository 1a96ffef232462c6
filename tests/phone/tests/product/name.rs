//! Carriers by their host name: the servers it names by SRV records, their shares, failover, and
//! what is off limits, on the running product with a name server of the test's own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::flows::ALICE;

use crate::assert_tidy;
use crate::body::Line;
use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::{answered, lead_to, make, new_carrier, refused, set};
use crate::talk::{SOON, desk};

/// How long records are good, seconds: the product asks again when it is over.
const TTL_S: u32 = 1;
const A: u16 = 1;
const SRV: u16 = 33;

/// Records by name and type, as their data goes over the wire.
type Zone = BTreeMap<(String, u16), Vec<Vec<u8>>>;

/// A name server with the records of a test.
pub(crate) struct NameServer {
    pub(crate) at: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    pub(crate) fn start() -> NameServer {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let at = socket.local_addr().unwrap();
        let (zone, end) = (Arc::new(Mutex::new(Zone::new())), Arc::new(AtomicBool::new(false)));
        let (records, ended) = (Arc::clone(&zone), Arc::clone(&end));
        let thread = std::thread::spawn(move || {
            let mut query = [0; 512];
            while !ended.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut query) else { continue };
                let zone = records.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(answer) = answer(&query[..len], &zone) {
                    // Who asked may be gone.
                    let _gone = socket.send_to(&answer, from);
                }
            }
        });
        NameServer { at, zone, end, thread: Some(thread) }
    }

    pub(crate) fn put(&self, name: &str, kind: u16, records: Vec<Vec<u8>>) {
        self.zone.lock().unwrap().insert((name.to_owned(), kind), records);
    }

    /// The servers of a carrier: priority, weight, port, host.
    fn servers(&self, carrier: &str, servers: &[(u16, u16, u16, &str)]) {
        let record = |(priority, weight, port, host): &(u16, u16, u16, &str)| {
            let numbers = [*priority, *weight, *port].map(u16::to_be_bytes).concat();
            [numbers, labels(host)].concat()
        };
        self.put(&format!("_sip._udp.{carrier}"), SRV, servers.iter().map(record).collect());
    }

    pub(crate) fn address(&self, host: &str, address: [u8; 4]) {
        self.put(host, A, vec![address.to_vec()]);
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn labels(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// The answer to a query with one question (RFC 1035 section 4.1).
fn answer(query: &[u8], zone: &Zone) -> Option<Vec<u8>> {
    let mut rest = query.get(12..)?;
    let mut name = Vec::new();
    while let Some((len, after)) = rest.split_first().filter(|(len, _)| **len != 0) {
        let (label, after) = after.split_at_checked(usize::from(*len))?;
        name.push(String::from_utf8_lossy(label).to_lowercase());
        rest = after;
    }
    let kind = u16::from_be_bytes([*rest.get(1)?, *rest.get(2)?]);
    let question = query.get(12..query.len() - rest.len() + 5)?;
    let name = name.join(".");
    let records = zone.get(&(name.clone(), kind)).cloned().unwrap_or_default();
    let is_known = zone.keys().any(|(known, _)| *known == name);
    let code = if is_known { 0x80 } else { 0x83 };
    let mut answer = query.get(..2)?.to_vec();
    answer.extend_from_slice(&[0x85, code, 0, 1]);
    answer.extend_from_slice(&u16::try_from(records.len()).ok()?.to_be_bytes());
    answer.extend_from_slice(&[0; 4]);
    answer.extend_from_slice(question);
    for data in records {
        answer.extend_from_slice(&[0xc0, 12]);
        answer.extend_from_slice(&kind.to_be_bytes());
        answer.extend_from_slice(&[0, 1]);
        answer.extend_from_slice(&TTL_S.to_be_bytes());
        answer.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend_from_slice(&data);
    }
    Some(answer)
}

const LOOPBACK: [u8; 4] = [127, 0, 0, 1];

/// The demo with this name server, asked again as soon as records say.
fn start(home: &Home, names: &NameServer) -> Demo {
    let demo = Demo::start_with(home, &format!("dns.servers = [\"{}\"]\n", names.at));
    let least = json!({"category": "resolver", "name": "refresh_ms_min", "value": "1000"});
    make(&demo, "settings", &least);
    demo
}

/// The demo's carrier is known by its name, which leads to these addresses.
fn lead_by_name(demo: &Demo, wanted: &[&str]) {
    set(demo, "trunks/1", &json!({"egress": {"targets": ["carrier.test"]}}));
    eventually("the name's addresses are in force", || {
        let hosts = demo.rest.get("/api/v1/trunks/1/hosts");
        let host = hosts["items"].as_array()?.iter().find(|h| text(h, "name") == "carrier.test")?;
        (host["addresses"] == Value::from(wanted.to_vec())).then_some(())
    });
}

fn seen(carriers: [&Carrier; 2]) -> [usize; 2] {
    carriers.map(|carrier| carrier.seen().len())
}

#[test]
fn calls_fail_over_to_the_second_server_of_a_name() {
    let (home, names) = (Home::new(), NameServer::start());
    let demo = start(&home, &names);
    let (first, second) = (new_carrier(&demo), new_carrier(&demo));
    names.address("a.carrier.test", LOOPBACK);
    names.address("b.carrier.test", LOOPBACK);
    names.servers(
        "carrier.test",
        &[
            (20, 0, second.addr().port(), "b.carrier.test"),
            (10, 0, first.addr().port(), "a.carrier.test"),
        ],
    );
    lead_by_name(&demo, &["127.0.0.1"]);
    let ada = desk(&demo, ALICE);
    answered(&ada.invite("44123").unwrap());
    assert_eq!(seen([&first, &second]), [1, 0], "the smaller priority first");
    first.otherwise(Script::refuse(503));
    answered(&ada.invite("44123").unwrap());
    assert_eq!(seen([&first, &second]), [2, 1]);
    assert_eq!(first.seen()[1].number(), "44123");
    let uri = second.seen()[0].invite.uri().to_owned();
    assert!(uri.contains("@carrier.test"), "the name stays in the Request-URI: {uri}");
    // The records change, and the change is in force when their time is over.
    names.servers("carrier.test", &[(10, 0, second.addr().port(), "b.carrier.test")]);
    eventually("calls go to the second server at once", || {
        let before = first.seen().len();
        answered(&ada.invite("44123").unwrap());
        (first.seen().len() == before).then_some(())
    });
    assert_tidy(&demo);
    demo.stop();
}

/// A Contact by name: the call goes on with the host that it leads to, and with the next one when
/// that is gone.
#[test]
fn a_call_goes_on_where_the_name_of_a_contact_leads() {
    let (home, names) = (Home::new(), NameServer::start());
    let demo = start(&home, &names);
    let (proxy, node) = (Line::new(), Line::new());
    lead_to(&demo, proxy.at());
    names.address("node7.carrier.test", LOOPBACK);
    let ada = desk(&demo, ALICE);
    let out = ada.invite("44123").unwrap();
    proxy.take(&format!("node7.carrier.test:{}", node.at().port()));
    let (ack, _) = node.request("ACK");
    assert!(ack.uri().starts_with("sip:line@node7.carrier.test:"), "{}", ack.uri());
    out.wait_answer(SOON).unwrap();
    let ended = std::thread::spawn(move || out.bye());
    node.agree("BYE");
    assert!(ended.join().unwrap().is_ok());

    // Two servers, the first of which goes once it has the ACK.
    let first = Line::new();
    let servers = [
        (10, 0, first.at().port(), "node7.carrier.test"),
        (20, 0, node.at().port(), "node7.carrier.test"),
    ];
    names.servers("pool.carrier.test", &servers);
    let out = ada.invite("44123").unwrap();
    proxy.take("pool.carrier.test");
    out.wait_answer(SOON).unwrap();
    first.request("ACK");
    drop(first);
    let ended = std::thread::spawn(move || out.bye());
    let bye = node.agree("BYE");
    assert_eq!(bye.uri(), "sip:line@pool.carrier.test");
    assert!(ended.join().unwrap().is_ok());
    // A name of nobody: the call goes on where it began.
    let out = ada.invite("44123").unwrap();
    proxy.take("nobody.carrier.test");
    proxy.request("ACK");
    out.wait_answer(SOON).unwrap();
    let ended = std::thread::spawn(move || out.bye());
    proxy.agree("BYE");
    assert!(ended.join().unwrap().is_ok());
    assert!(demo.rest.metric("strowger_facts_total{outcome=\"told\"}") >= 3);
    demo.stop();
}

#[test]
fn what_a_name_server_says_is_no_way_into_this_host() {
    let (home, names) = (Home::new(), NameServer::start());
    let demo = start(&home, &names);
    let carrier = new_carrier(&demo);
    names.address("self.carrier.test", LOOPBACK);
    names.address("lan.carrier.test", [192, 168, 77, 1]);
    names.address("good.carrier.test", LOOPBACK);
    let bad = [(1, 0, demo.sip.port(), "self.carrier.test"), (2, 0, 5060, "lan.carrier.test")];
    names.servers("carrier.test", &bad);
    lead_by_name(&demo, &["127.0.0.1", "192.168.77.1"]);
    let ada = desk(&demo, ALICE);
    assert_eq!(refused(&ada, "44123"), 404, "no call to ourselves, none to a private network");
    let good = [&bad[..], &[(3, 0, carrier.addr().port(), "good.carrier.test")]].concat();
    names.servers("carrier.test", &good);
    eventually("the one good server is called", || {
        let out = ada.invite("44123").unwrap();
        let is_answered = out.wait_answer(Duration::from_secs(2)).is_ok();
        if is_answered {
            out.bye().unwrap();
        }
        is_answered.then_some(())
    });
    assert_eq!(carrier.seen().len(), 1);
    // The same by REST: refused by the field.
    for (address, why) in [
        (demo.sip.to_string(), "listen on"),
        ("10.1.2.3:5060".to_owned(), "private"),
        ("169.254.1.1:5060".to_owned(), "link-local"),
    ] {
        let body = json!({"egress": {"targets": [address]}});
        let (status, said) = demo.rest.patch("/api/v1/trunks/1", &body.to_string());
        assert_eq!(status, 422, "{said}");
        assert!(said.contains("egress.targets[0]") && said.contains(why), "{said}");
    }
    let private = json!({"egress": {"targets": ["10.1.2.3:5060"], "allow_private": true}});
    set(&demo, "trunks/1", &private);
    let address = SocketAddr::new(IpAddr::from([10, 1, 2, 3]), 5060);
    assert_eq!(demo.rest.get("/api/v1/trunks/1")["egress"]["targets"][0], address.to_string());
    demo.stop();
}
