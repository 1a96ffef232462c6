//! RADIUS on the running product: servers of the test's own, which check signatures by their own
//! hands, answer or are silent; and FreeRADIUS, where the machine has it.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use serde_json::{Value, json};
use strowger_phone::EndedBy;
use strowger_phone::flows::ALICE;

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::{IN_FORCE, answered, lead_to, make, new_carrier, refused};
use crate::rule::told;
use crate::talk::{SOON, desk};

const SECRET: &str = "xyzzy5461";
/// Types of attributes (RFC 2865 section 5, RFC 2866 section 5).
const USER_NAME: u8 = 1;
const CLASS: u8 = 25;
const SESSION_TIMEOUT: u8 = 27;
const CALLED: u8 = 30;
const NAS_IDENTIFIER: u8 = 32;
const STATUS_TYPE: u8 = 40;
const DELAY_TIME: u8 = 41;
const SESSION_ID: u8 = 44;
const SESSION_TIME: u8 = 46;
const TERMINATE_CAUSE: u8 = 49;

fn md5(parts: &[&[u8]]) -> [u8; 16] {
    Md5::digest(parts.concat()).into()
}

/// RFC 2104, for keys of at most a block.
fn hmac(parts: &[&[u8]]) -> [u8; 16] {
    let mut key = [0; 64];
    key[..SECRET.len()].copy_from_slice(SECRET.as_bytes());
    let pad = |with: u8| key.map(|byte| byte ^ with);
    md5(&[&pad(0x5c), &md5(&[&pad(0x36), &parts.concat()])])
}

/// A request that was signed as it should be.
#[derive(Clone, Debug)]
struct Heard {
    attributes: Vec<(u8, Vec<u8>)>,
}

impl Heard {
    fn text(&self, kind: u8) -> String {
        let found = self.attributes.iter().find(|(known, _)| *known == kind);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    }

    fn number(&self, kind: u8) -> Option<u32> {
        let (_, value) = self.attributes.iter().find(|(known, _)| *known == kind)?;
        value.as_slice().try_into().ok().map(u32::from_be_bytes)
    }
}

fn read(packet: &[u8]) -> Heard {
    let body = &packet[20..];
    let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    assert_eq!(length, packet.len());
    if packet[0] == 1 {
        assert_eq!(body[..2], [80, 18], "the signature is first (RFC 3579 section 3.2)");
        let signed = hmac(&[&packet[..22], &[0; 16], &packet[38..]]);
        assert_eq!(signed, packet[22..38], "Message-Authenticator");
    } else {
        let signed = md5(&[&packet[..4], &[0; 16], body, SECRET.as_bytes()]);
        assert_eq!(signed, packet[4..20], "authenticator");
    }
    let (mut attributes, mut rest) = (Vec::new(), body);
    while let [kind, length, ..] = *rest {
        attributes.push((kind, rest[2..length.into()].to_vec()));
        rest = &rest[length.into()..];
    }
    Heard { attributes }
}

/// The answer to a request.
fn reply(request: &[u8], code: u8, attributes: &[u8]) -> Vec<u8> {
    let body = [&[80, 18][..], &[0; 16], attributes].concat();
    let length = u16::try_from(20 + body.len()).unwrap().to_be_bytes();
    let head = [code, request[1], length[0], length[1]];
    let mut packet = [&head[..], &request[4..20], &body].concat();
    let signature = hmac(&[&packet]);
    packet[22..38].copy_from_slice(&signature);
    let signed = md5(&[&packet, SECRET.as_bytes()]);
    packet[4..20].copy_from_slice(&signed);
    packet
}

/// What it wants to hear again of calls to 44129, in two attributes.
const CLASSES: &[u8] = b"\x19\x06a\x00\xffz\x19\x04no";

/// A server that takes every call but those to 44123, and lets those to 44124 last two seconds.
struct FakeRadius {
    at: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    silent: Arc<AtomicBool>,
}

impl FakeRadius {
    fn start() -> FakeRadius {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = socket.local_addr().unwrap();
        let fake = FakeRadius { at, heard: Arc::default(), silent: Arc::default() };
        let (heard, silent) = (Arc::clone(&fake.heard), Arc::clone(&fake.silent));
        // It goes with the test's process.
        std::thread::spawn(move || {
            let (mut packet, mut seen) = ([0; 4_096], BTreeSet::new());
            loop {
                let (len, from) = socket.recv_from(&mut packet).unwrap();
                if silent.load(Ordering::Relaxed) {
                    continue;
                }
                let packet = &packet[..len];
                let request = read(packet);
                let (code, attributes) = match (packet[0], request.text(CALLED).as_str()) {
                    (4, _) => (5, Vec::new()),
                    (_, "44123") => (3, b"\xc8\x05603".to_vec()),
                    (_, "44124") => (2, vendor(9, 102, b"h323-credit-time=2")),
                    (_, "44129") => (2, CLASSES.to_vec()),
                    _ => (2, vec![SESSION_TIMEOUT, 6, 0, 0, 1, 0]),
                };
                // Sent again it is the same request.
                if seen.insert(packet[..20].to_vec()) {
                    heard.lock().unwrap().push(request);
                }
                socket.send_to(&reply(packet, code, &attributes), from).unwrap();
            }
        });
        fake
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

fn vendor(vendor: u32, kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap();
    [&[26, length + 8][..], &vendor.to_be_bytes(), &[kind, length + 2], value].concat()
}

fn server(purpose: &str, at: SocketAddr, more: &Value) -> Value {
    let mut row = json!({
        "purpose": purpose, "name": purpose, "address": at.to_string(), "secret": SECRET,
        "again_ms": 50,
    });
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

fn set_fact(demo: &Demo, name: &str, value: &str) {
    make(demo, "settings", &json!({"category": "fact", "name": name, "value": value}));
}

#[test]
fn a_server_rejects_a_call_limits_another_and_its_silence_is_as_is_set() {
    let (home, fake) = (Home::new(), FakeRadius::start());
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    // One that never answers is asked first, and passed by after that.
    let nobody = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nobody_at = nobody.local_addr().unwrap();
    make(&demo, "radius-servers", &server("access", nobody_at, &json!({"priority": 9})));
    let own = json!({"nas_identifier": "gate-1", "attributes": [
        {"number": 200, "holds": "status"},
        {"vendor": 9, "number": 102, "label": "h323-credit-time", "holds": "talk-time"},
        {"vendor": 9, "number": 24, "label": "h323-conf-id", "holds": "call-id"},
    ]});
    let id = make(&demo, "radius-servers", &server("access", fake.at, &own));
    let seen = demo.rest.get(&format!("/api/v1/radius-servers/{id}"));
    assert!(seen.get("secret").is_none() && !seen.to_string().contains(SECRET), "{seen:#}");
    set_fact(&demo, "radius", "true");
    set_fact(&demo, "wait_ms", "2000");
    std::thread::sleep(IN_FORCE);

    let ada = desk(&demo, ALICE);
    assert_eq!(refused(&ada, "44123"), 603);
    let first = &fake.heard()[0];
    assert_eq!((first.text(CALLED), first.text(NAS_IDENTIFIER)), ("44123".into(), "gate-1".into()));
    let conference = first.attributes.iter().any(|(kind, value)| {
        *kind == 26 && String::from_utf8_lossy(value).contains("h323-conf-id=")
    });
    assert!(conference, "{first:?}");
    let mut packet = [0; 4_096];
    nobody.set_nonblocking(true).unwrap();
    let asked = std::iter::from_fn(|| nobody.recv(&mut packet).ok()).count();
    assert_eq!(asked, 2, "twice, then it is passed by");

    let (began, limited) = (Instant::now(), ada.invite("44124").unwrap());
    limited.wait_answer(SOON).unwrap();
    assert_eq!(limited.wait_end(2 * SOON).unwrap(), EndedBy::RemoteBye);
    let lasted = began.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&lasted), "{lasted:?}");
    answered(&ada.invite("44125").unwrap());
    assert_eq!(nobody.recv(&mut packet).ok(), None);
    let cdrs = demo.rest.cdrs(3);
    assert_eq!(text(&cdrs[1], "outcome.reason"), "max-duration", "{:#}", cdrs[1]);
    assert_eq!(first.text(USER_NAME), text(&cdrs[0], "caller.number"));
    for (number, sentence) in [
        ("44123", "RADIUS rejects the call, which is refused with 603"),
        ("44124", "RADIUS accepts the call for 2 seconds at most"),
        ("44126", "RADIUS accepts the call for 256 seconds at most"),
    ] {
        let why = told(&demo, number);
        assert!(why.contains(sentence), "{number}: {why}");
    }
    // Silence closes, unless it is to open.
    fake.silent.store(true, Ordering::Relaxed);
    assert_eq!(refused(&ada, "44127"), 480);
    let why = told(&demo, "44127");
    assert!(why.contains("RADIUS says nothing: it failed"), "{why}");
    assert!(why.contains("the call does not go on without that answer"), "{why}");
    set_fact(&demo, "radius_unknown", "continue");
    std::thread::sleep(IN_FORCE);
    answered(&ada.invite("44128").unwrap());
    assert_eq!(carrier.seen().last().unwrap().number(), "44128");
    assert_tidy(&demo);
}

/// What was told of calls: status, session, seconds of talk.
fn of_sessions(heard: &[Heard]) -> Vec<(u32, String, Option<u32>)> {
    let told = heard.iter().filter_map(|one| {
        Some((one.number(STATUS_TYPE)?, one.text(SESSION_ID), one.number(SESSION_TIME)))
    });
    told.collect()
}

#[test]
fn a_server_is_told_of_every_call_though_the_control_plane_is_killed() {
    let (home, fake) = (Home::new(), FakeRadius::start());
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let own = json!({"attributes": [
        {"vendor": 9, "number": 1, "label": "price", "holds": "price"},
    ]});
    make(&demo, "radius-servers", &server("accounting", fake.at, &own));
    std::thread::sleep(IN_FORCE);
    let ada = desk(&demo, ALICE);
    let out = ada.invite("44123").unwrap();
    out.wait_answer(SOON).unwrap();
    // Of its beginning while it runs.
    eventually("the beginning is told", || (fake.heard().len() == 1).then_some(()));
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    eventually("the end is told", || (fake.heard().len() == 2).then_some(()));
    let cdr = demo.rest.cdrs(1).remove(0);
    let id = text(&cdr, "id").to_owned();
    let all = fake.heard();
    let expect = [(1, id.clone(), None), (2, id, Some(2))];
    assert_eq!(of_sessions(&all), expect, "{all:?}");
    assert_eq!(all[1].number(TERMINATE_CAUSE), Some(1));
    assert_eq!(all[1].text(CALLED), "44123");
    let price = all[1]
        .attributes
        .iter()
        .any(|(kind, value)| *kind == 26 && String::from_utf8_lossy(value).contains("price=0."));
    assert!(price, "{:?}", all[1]);
    // A call that is refused is not told of.
    refused(&ada, "999999");

    // While nobody answers it waits, over the death of who tells.
    fake.silent.store(true, Ordering::Relaxed);
    answered(&ada.invite("44124").unwrap());
    let waiting = || demo.rest.metric("strowger_radius_accounting_waiting");
    eventually("beginning and end wait", || (waiting() == 2).then_some(()));
    demo.replace(demo.planes().controld);
    assert_eq!(waiting(), 2);
    std::thread::sleep(Duration::from_millis(1_100));
    fake.silent.store(false, Ordering::Relaxed);
    eventually("nothing waits", || (waiting() == 0).then_some(()));
    let all = fake.heard();
    let told: BTreeSet<_> = of_sessions(&all).into_iter().map(|(s, id, _)| (id, s)).collect();
    assert_eq!(told.len(), 4, "{all:?}");
    assert!(all.last().unwrap().number(DELAY_TIME).unwrap() >= 1, "{:?}", all.last());
    assert_tidy(&demo);
}

#[test]
fn what_a_server_says_of_a_session_comes_back_with_its_accounting() {
    let (home, fake) = (Home::new(), FakeRadius::start());
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    make(&demo, "radius-servers", &server("access", fake.at, &json!({})));
    make(&demo, "radius-servers", &server("accounting", fake.at, &json!({})));
    set_fact(&demo, "radius", "true");
    set_fact(&demo, "wait_ms", "2000");
    std::thread::sleep(IN_FORCE);
    let ada = desk(&demo, ALICE);
    let told = || -> Vec<Heard> {
        fake.heard().into_iter().filter(|one| one.number(STATUS_TYPE).is_some()).collect()
    };
    let call = ada.invite("44129").unwrap();
    call.wait_answer(SOON).unwrap();
    eventually("the beginning is told", || (told().len() == 1).then_some(()));
    // Who asked is gone: it is the call that carries it.
    demo.replace(demo.planes().controld);
    assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    eventually("the end is told", || (told().len() == 2).then_some(()));
    answered(&ada.invite("44125").unwrap());
    eventually("the other call is told of", || (told().len() == 4).then_some(()));
    let classes = told().into_iter().map(|one| {
        let own = one.attributes.into_iter().filter(|(kind, _)| *kind == CLASS);
        own.map(|(_, value)| value).collect::<Vec<_>>()
    });
    let said = vec![b"a\x00\xffz".to_vec(), b"no".to_vec()];
    assert_eq!(classes.collect::<Vec<_>>(), [said.clone(), said, vec![], vec![]]);
    assert_tidy(&demo);
}

/// FreeRADIUS with a configuration of the test's; ends with it.
struct FreeRadius {
    child: Child,
    folder: std::path::PathBuf,
    ports: [u16; 2],
}

const PROGRAM: &str = "/usr/sbin/freeradius";

const CONFIG: &str = "\
prefix = FOLDER
libdir = /usr/lib/freeradius
dictionary = /usr/share/freeradius
logdir = FOLDER
run_dir = FOLDER
pidfile = FOLDER/pid
security {
 reject_delay = 0
 status_server = no
}
thread pool {
 start_servers = 1
 max_servers = 2
 min_spare_servers = 1
 max_spare_servers = 1
}
client strowger {
 ipaddr = 127.0.0.1
 secret = SECRET
 require_message_authenticator = yes
}
modules {
 detail {
  filename = FOLDER/detail
  permissions = 0600
 }
}
server strowger {
 listen {
  type = auth
  ipaddr = 127.0.0.1
  port = ACCESS
 }
 listen {
  type = acct
  ipaddr = 127.0.0.1
  port = ACCOUNTING
 }
 authorize {
  update control {
   Auth-Type := Accept
  }
  if (&Called-Station-Id == \"44123\") {
   update control {
    Auth-Type := Reject
   }
  }
  update reply {
   Session-Timeout := 60
   Message-Authenticator := 0x00
  }
 }
 authenticate {
 }
 post-auth {
  Post-Auth-Type REJECT {
   update reply {
    Message-Authenticator := 0x00
   }
  }
 }
 preacct {
 }
 accounting {
  detail
 }
}
";

impl FreeRadius {
    /// `None` where the machine has none.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn start(home: &Home) -> Option<FreeRadius> {
        if !fs::exists(PROGRAM).unwrap() {
            eprintln!("SKIPPED: no FreeRADIUS here (apt-get install freeradius), NOT tested");
            return None;
        }
        let folder = home.join("freeradius");
        fs::create_dir(&folder).unwrap();
        let free = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let ports = [free(), free()].map(|socket| socket.local_addr().unwrap().port());
        let config = CONFIG
            .replace("FOLDER", folder.to_str().unwrap())
            .replace("SECRET", SECRET)
            .replace("ACCESS", &ports[0].to_string())
            .replace("ACCOUNTING", &ports[1].to_string());
        fs::write(folder.join("radiusd.conf"), config).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["-X", "-n", "radiusd", "-d"]).arg(&folder);
        let errors = log.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().unwrap();
        let server = FreeRadius { child, folder, ports };
        eventually("FreeRADIUS listens", || {
            server.said("log").contains("Ready to process requests").then_some(())
        });
        Some(server)
    }

    fn said(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }
}

impl Drop for FreeRadius {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

#[test]
fn free_radius_accepts_rejects_and_is_told() {
    let home = Home::new();
    let Some(server_of) = FreeRadius::start(&home) else { return };
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    for (purpose, port) in ["access", "accounting"].into_iter().zip(server_of.ports) {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        make(&demo, "radius-servers", &server(purpose, at, &json!({"again_ms": 500})));
    }
    set_fact(&demo, "radius", "true");
    set_fact(&demo, "wait_ms", "3000");
    std::thread::sleep(IN_FORCE);
    let ada = desk(&demo, ALICE);
    assert_eq!(refused(&ada, "44123"), 403, "{}", server_of.said("log"));
    answered(&ada.invite("44124").unwrap());
    let why = told(&demo, "44125");
    assert!(why.contains("RADIUS accepts the call for 60 seconds at most"), "{why}");
    let session = text(&demo.rest.cdrs(2)[1], "id").to_owned();
    let detail = eventually("it is told of the call", || {
        Some(server_of.said("detail")).filter(|detail| detail.contains("Acct-Status-Type = Stop"))
    });
    assert!(detail.contains("Acct-Status-Type = Start"), "{detail}");
    assert!(detail.contains(&format!("Acct-Session-Id = \"{session}\"")), "{detail}");
    assert!(detail.contains("Called-Station-Id = \"44124\""), "{detail}");
    assert!(detail.contains("Acct-Terminate-Cause = User-Request"), "{detail}");
    assert_tidy(&demo);
}
