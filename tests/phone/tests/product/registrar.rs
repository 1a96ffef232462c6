//! The registrar as devices see it: what answers say, devices by their own addresses, proxies on
//! the way, NATs that are kept open, and storms.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strowger_phone::digest::{Challenge, Secret, Use};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::message::{Message, param};
use strowger_phone::raw::Raw;
use strowger_phone::{Config, EndedBy, Phone};

use crate::body::Line;
use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::make;
use crate::talk::{SOON, Talk, desk, phone};

/// In which a change of settings is in force.
const IN_FORCE: Duration = Duration::from_secs(1);
/// How long calls are held that only have to be answered.
const TALK: Duration = Duration::from_millis(300);
/// How long nothing is heard of what must not come.
const SILENCE: Duration = Duration::from_millis(700);
/// An address that phones say they have and do not.
const INSIDE: &str = "10.9.8.7:5060";

/// A REGISTER of a phone's user with these fields; the answer.
fn register(phone: &Phone, user: &str, demo: &Demo, fields: &[(&str, &str)]) -> Message {
    let aor = format!("<sip:{user}@{}>", demo.sip);
    let mut all = vec![("To", aor.as_str()), ("From", "<sip:x@x.test>;tag=r")];
    all.extend(fields.iter().filter(|(name, _)| *name != "From"));
    phone.request("REGISTER", &format!("sip:{}", demo.sip), &all).unwrap()
}

/// Status of one that is refused.
fn refused(phone: &Phone, demo: &Demo, fields: &[(&str, &str)]) -> String {
    let aor = format!("<sip:1002@{}>", demo.sip);
    let mut all = vec![("To", aor.as_str())];
    all.extend(fields);
    let failure = phone.request("REGISTER", &format!("sip:{}", demo.sip), &all).unwrap_err();
    format!("{:?}", failure.cause)
}

fn set(demo: &Demo, path: &str, value: &str) {
    let (category, name) = path.split_once('.').unwrap();
    let body = json!({"tenant": "1", "category": category, "name": name, "value": value});
    let (status, made) = demo.rest.post("/api/v1/settings", path, &body.to_string());
    assert_eq!(status, 201, "{made}");
}

/// What REST says of a contact.
fn shown(demo: &Demo, contact: &str) -> Value {
    let rows = demo.rest.list("/api/v1/registrations");
    let row = rows.iter().find(|row| text(row, "contact").contains(contact));
    row.cloned().unwrap_or_else(|| panic!("no {contact} in {rows:#?}"))
}

#[test]
fn an_answer_lists_the_contacts_with_what_they_said() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let bob = phone(&demo, BOB);
    let push = "pn-provider=fcm;pn-param=p;pn-prid=t1";
    let contact = format!("<sip:1002@{};{push}>;q=0.3;expires=600", bob.addr());
    let answer = register(&bob, "1002", &demo, &[("Contact", &contact)]);
    assert!(answer.header("Date").is_some_and(|date| date.ends_with(" GMT")), "{answer:?}");
    let own = answer.values("Contact")[0].to_owned();
    assert!(own.contains(push), "push parameters are kept: {own}");
    assert_eq!((param(&own, "expires"), param(&own, "q")), (Some("600"), Some("0.300")), "{own}");
    // A query lists, and changes nothing.
    let listed = register(&bob, "1002", &demo, &[]);
    assert_eq!(listed.values("Contact").len(), 1);
    // All or nothing: the second of these is no URI of ours.
    let both = format!("<sip:1002@{INSIDE}>, <tel:+44123>");
    assert!(refused(&bob, &demo, &[("Contact", &both)]).contains("400"));
    assert_eq!(register(&bob, "1002", &demo, &[]).values("Contact").len(), 1);
    let brief = format!("<sip:1002@{}>", bob.addr());
    let answer = refused(&bob, &demo, &[("Contact", &brief), ("Expires", "5")]);
    assert!(answer.contains("423"), "{answer}");
    let gone = register(&bob, "1002", &demo, &[("Contact", "*"), ("Expires", "0")]);
    assert_eq!(gone.values("Contact").len(), 0);
    demo.stop();
}

#[test]
fn a_device_is_called_by_its_own_address() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let ada = desk(&demo, ALICE);
    let (hall, desk) = (phone(&demo, BOB), phone(&demo, BOB));
    let gruus = [(&hall, "hall"), (&desk, "desk")].map(|(device, name)| {
        let contact = format!(
            "<sip:1002@{}>;+sip.instance=\"<urn:x:{name}>\";reg-id=1;expires=600",
            device.addr()
        );
        let fields = [("Contact", contact.as_str()), ("Supported", "gruu, outbound")];
        let answer = register(device, "1002", &demo, &fields);
        assert_eq!(answer.header("Require"), Some("outbound"));
        let list = answer.values("Contact");
        let own = list.iter().find(|contact| contact.contains(name)).unwrap();
        let quoted = |name: &str| {
            let (_, rest) = own.split_once(&format!("{name}=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        [quoted("pub-gruu"), quoted("temp-gruu")]
    });
    assert_eq!(gruus[0][0], "sip:1002@127.0.0.1;gr=urn:x:hall");
    // Through a restart of the control plane, too.
    for (round, gruus) in [(0, &gruus), (1, &gruus)] {
        for (which, own) in gruus.iter().enumerate() {
            let (rings, silent) = if which == 0 { (&hall, &desk) } else { (&desk, &hall) };
            for gruu in own {
                let out = ada.invite_uri(gruu, &[], true).unwrap();
                let inc = rings.wait_call(SOON).unwrap();
                inc.answer().unwrap();
                out.wait_answer(SOON).unwrap();
                out.bye().unwrap();
                silent.expect_no_call(Duration::from_millis(50)).unwrap();
            }
        }
        if round == 0 {
            std::thread::sleep(TALK);
            demo.replace(demo.planes().controld);
        }
    }
    let away = ada.invite_uri("sip:1002@127.0.0.1;gr=urn:x:attic", &[], true).unwrap();
    away.wait_answer(SOON).unwrap_err();
    assert_eq!(away.ended(), Some(EndedBy::Refused(480)));
    demo.stop();
}

#[test]
fn calls_go_by_the_proxies_of_a_path() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, proxy) = (desk(&demo, ALICE), phone(&demo, BOB));
    let path = format!("<sip:{};lr>", proxy.addr());
    let contact = format!("<sip:1002@{INSIDE}>;expires=600");
    let fields = [("Contact", contact.as_str()), ("Path", path.as_str()), ("Supported", "path")];
    let answer = register(&proxy, "1002", &demo, &fields);
    assert_eq!(answer.header("Path"), Some(path.as_str()), "repeated to who knows of it");
    let row = shown(&demo, INSIDE);
    assert_eq!((&row["path"], &row["nated"]), (&json!([path]), &json!(false)), "{row:#}");
    let out = ada.invite("1002").unwrap();
    let inc = proxy.wait_call(SOON).unwrap();
    let invite = inc.request();
    assert_eq!(invite.uri(), format!("sip:1002@{INSIDE}"));
    assert_eq!(invite.header("Route"), Some(path.as_str()));
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    out.bye().unwrap();
    set(&demo, "registration.path", "require");
    std::thread::sleep(IN_FORCE);
    let unsupported = [("Contact", contact.as_str()), ("Path", path.as_str())];
    assert!(refused(&proxy, &demo, &unsupported).contains("421"));
    demo.stop();
}

#[test]
fn preferences_are_tried_in_order() {
    let home = Home::new();
    let demo = Demo::start(&home);
    set(&demo, "registration.fork", "by-q");
    std::thread::sleep(IN_FORCE);
    let ada = desk(&demo, ALICE);
    let (first, second) = (phone(&demo, BOB), phone(&demo, BOB));
    for (device, q) in [(&first, "0.9"), (&second, "0.2")] {
        let contact = format!("<sip:1002@{}>;q={q};expires=600", device.addr());
        register(device, "1002", &demo, &[("Contact", &contact)]);
    }
    let out = ada.invite("1002").unwrap();
    let rings = first.wait_call(SOON).unwrap();
    second.expect_no_call(SILENCE).unwrap();
    rings.reject(480).unwrap();
    let rings = second.wait_call(SOON).unwrap();
    rings.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    out.bye().unwrap();
    demo.stop();
}

#[test]
fn a_nat_is_kept_open_whoever_restarts() {
    let home = Home::new();
    let demo = Demo::start(&home);
    set(&demo, "nat.keep_alive", "options");
    set(&demo, "nat.keep_alive_ms", "5000");
    std::thread::sleep(IN_FORCE);
    let (ada, bob) = (desk(&demo, ALICE), phone(&demo, BOB));
    let contact = format!("<sip:1002@{INSIDE}>;expires=600");
    register(&bob, "1002", &demo, &[("Contact", &contact)]);
    let row = shown(&demo, INSIDE);
    assert_eq!(text(&row, "target"), bob.addr().to_string(), "where it came from");
    let flags = |row: &Value| (row["nated"].clone(), row["kept_alive"].clone());
    assert_eq!(flags(&row), (json!(true), json!(true)), "{row:#}");
    assert_eq!(flags(&shown(&demo, &ada.addr().to_string())), (json!(false), json!(false)));
    Talk::new(&ada, "1002", &bob).end_after(TALK);
    let pings = || bob.seen("OPTIONS");
    let more = |what: &str| {
        let before = pings();
        let until = Instant::now() + Duration::from_secs(15);
        while pings() == before {
            assert!(Instant::now() < until, "{what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    more("it is sent something");
    eventually("its answer is heard", || (demo.rest.shard("keep_alives_heard") > 0).then_some(()));
    assert_eq!(demo.rest.shard("kept_alive_now"), 1, "the other one is behind no NAT");
    demo.replace(demo.planes().controld);
    more("nobody misses the control plane");
    demo.replace(demo.planes().switchd);
    more("a new life of the dataplane is told");
    assert_eq!(demo.rest.shard("sip_stray"), 0, "answers to our OPTIONS are no strays");
    assert_eq!(demo.rest.shard("sip_malformed"), 0);
    demo.stop();
}

#[test]
fn a_trunk_that_registers_through_a_nat_is_shown_and_called() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let credentials = json!({"username": "pbx", "password": "correct horse"});
    let registers = json!({
        "ingress": {"credentials": credentials}, "egress": {"targets": ["registered"]},
    });
    let (status, said) = demo.rest.patch("/api/v1/trunks/1", &registers.to_string());
    assert_eq!(status, 200, "{said}");
    let pbx = phone(&demo, ("pbx", "correct horse"));
    eventually("the trunk registers", || pbx.register(300).ok());
    pbx.unregister_all().unwrap();
    let contact = format!("<sip:pbx@{INSIDE}>;expires=600");
    register(&pbx, "pbx", &demo, &[("Contact", &contact)]);
    let rows = demo.rest.get("/api/v1/trunks/1/contacts")["items"].clone();
    let row = &rows[0];
    assert_eq!(text(row, "contact"), format!("sip:pbx@{INSIDE}"), "{rows:#}");
    assert_eq!(text(row, "target"), pbx.addr().to_string(), "{rows:#}");
    assert_eq!((&row["nated"], &row["reachable"]), (&json!(true), &json!(true)), "{rows:#}");
    let ada = desk(&demo, ALICE);
    let out = ada.invite("44123").unwrap();
    let inc = pbx.wait_call(SOON).unwrap();
    assert_eq!(inc.request().uri(), format!("sip:44123@{INSIDE}"));
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    out.bye().unwrap();
    // By way of a proxy of its own.
    let path = format!("<sip:{};lr>", pbx.addr());
    let fields = [("Contact", contact.as_str()), ("Path", path.as_str())];
    register(&pbx, "pbx", &demo, &fields);
    let rows = demo.rest.get("/api/v1/trunks/1/contacts")["items"].clone();
    assert_eq!((&rows[0]["path"], &rows[0]["nated"]), (&json!([path]), &json!(false)));
    let out = ada.invite("44124").unwrap();
    let inc = pbx.wait_call(SOON).unwrap();
    assert_eq!(inc.request().header("Route"), Some(path.as_str()));
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    out.bye().unwrap();
    demo.stop();
}

/// REGISTERs in the storm.
const STORM: u32 = 10_000;
/// Of these without an answer at once.
const WINDOW: usize = 256;

/// How long one waits for its answer before it is sent again.
const PATIENCE: Duration = Duration::from_millis(500);

/// One REGISTER of the storm with the credentials of `challenge`.
fn storm_request(
    demo: &Demo,
    own: SocketAddr,
    number: u32,
    challenge: Option<&Challenge>,
) -> Vec<u8> {
    let uri = format!("sip:{}", demo.sip);
    let mut request = Message::request("REGISTER", &uri);
    request.push("Via", &format!("SIP/2.0/UDP {own};branch=z9hG4bKstorm{number};rport"));
    request.push("Max-Forwards", "70");
    request.push("From", &format!("<sip:1002@{}>;tag=s", demo.sip));
    request.push("To", &format!("<sip:1002@{}>", demo.sip));
    request.push("Call-ID", "storm");
    request.push("CSeq", &format!("{number} REGISTER"));
    request.push("Contact", &format!("<sip:1002@{own}>"));
    request.push("Expires", "600");
    if let Some(challenge) = challenge {
        let secret = Secret { user: BOB.0, password: BOB.1 };
        let used = Use { method: "REGISTER", uri: &uri, count: number, cnonce: "c" };
        request.push("Authorization", &challenge.authorization(secret, used));
    }
    request.to_bytes()
}

/// Sends until so many are answered by 200; how many were answered by each status. Who is told to
/// come again (503), or by a later one overtaken (500), or too far behind with its nonce count
/// (401), comes again as a new one. `half_way` happens in the middle.
fn storm(demo: &Demo, raw: &Raw, half_way: impl FnOnce()) -> BTreeMap<u16, u32> {
    let own = raw.local().unwrap();
    let challenged = raw.expect(&storm_request(demo, own, 1, None), 401, SOON).unwrap().unwrap();
    let challenges = challenged.lines("WWW-Authenticate");
    let challenge = challenges.iter().find_map(|value| Challenge::parse(value)).unwrap();
    let (began, mut half_way) = (Instant::now(), Some(half_way));
    let mut open: BTreeMap<u32, (Vec<u8>, Instant)> = BTreeMap::new();
    let mut answers = BTreeMap::new();
    let (mut next, mut done, mut pause) = (2, 0, began);
    while done < STORM {
        assert!(began.elapsed() < Duration::from_secs(90), "{answers:?}, {} wait", open.len());
        for (bytes, sent) in open.values_mut().filter(|(_, sent)| sent.elapsed() > PATIENCE) {
            raw.send(bytes).unwrap();
            *sent = Instant::now();
        }
        let left = usize::try_from(STORM - done).unwrap().min(WINDOW);
        while open.len() < left && Instant::now() >= pause {
            let bytes = storm_request(demo, own, next, Some(&challenge));
            raw.send(&bytes).unwrap();
            open.insert(next, (bytes, Instant::now()));
            next += 1;
        }
        if let Some(half_way) = half_way.take_if(|_| done > STORM / 2) {
            half_way();
        }
        for bytes in raw.collect(Duration::from_millis(5)).unwrap() {
            let Ok(answer) = Message::parse(&bytes) else { continue };
            let (Some((number, _)), Some(code)) = (answer.cseq(), answer.code()) else { continue };
            if open.remove(&number).is_some() {
                *answers.entry(code).or_insert(0) += 1;
                done += u32::from(code == 200);
                if code == 503 {
                    pause = Instant::now() + PATIENCE;
                }
            }
        }
    }
    crate::tell(&format!("{STORM} REGISTERs in {:?}: {answers:?}", began.elapsed()));
    answers
}

#[test]
fn a_storm_of_refreshes_is_answered_and_hardly_written_while_calls_go_on() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let raw = Raw::new(SocketAddr::from(([127, 0, 0, 1], 0)), demo.sip).unwrap();
    let mut talk = None;
    let answers = storm(&demo, &raw, || talk = Some(Talk::new(&bob, "1001", &ada)));
    talk.unwrap().end_after(TALK);
    assert!(answers.keys().all(|code| matches!(code, 200 | 401 | 500 | 503)), "{answers:?}");
    std::thread::sleep(TALK);
    let stored = demo.rows("SELECT cseq FROM bindings WHERE sip_call_id = 'storm'");
    let stored: u32 = stored.parse().unwrap();
    assert!(stored < STORM / 2, "written up to {stored}: a refresh within the grace is not");
    demo.stop();
}

/// A device whose port nobody answers at is tried at the standard one, where that is set.
#[test]
fn a_device_is_tried_at_its_standard_port() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let set = json!({"category": "nat", "name": "standard_port", "value": "true"});
    make(&demo, "settings", &set);
    std::thread::sleep(IN_FORCE);
    let ip = Ipv4Addr::new(127, 0, 0, 72);
    let config = Config::new(BOB.0, BOB.1, demo.sip);
    let bob = Phone::new(Config { bind: (ip, 0).into(), patience: SOON, ..config }).unwrap();
    bob.register(300).unwrap();
    // It goes without a word, and another program has the standard port.
    drop(bob);
    let other = Line::at_port(ip, 5060);
    let ada = desk(&demo, ALICE);
    let out = ada.invite("1002").unwrap();
    let invite = other.take(&other.at().to_string());
    assert!(invite.uri().contains("127.0.0.72"), "{}", invite.uri());
    out.wait_answer(SOON).unwrap();
    other.request("ACK");
    out.bye().unwrap();
    other.agree("BYE");
    demo.stop();
}
