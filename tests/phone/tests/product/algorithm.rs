//! Digest algorithms by account: who may use which, and what challenges say.

use strowger_phone::digest::{Algorithm, Challenge};
use strowger_phone::message::Message;
use strowger_phone::raw::Raw;
use strowger_phone::{Config, EndedBy, Phone, flows};

use crate::demo::{Demo, Home, eventually};
use crate::rows::anywhere;
use crate::talk::SOON;

const EXPIRES_S: u32 = 120;
const SHA256: Algorithm = Algorithm::Sha256;
const MD5: Algorithm = Algorithm::Md5;

/// The first subscriber with a phone that speaks only these.
fn phone(demo: &Demo, algorithms: &[Algorithm]) -> Phone {
    let config = Config::new(flows::ALICE.0, flows::ALICE.1, demo.sip);
    Phone::new(Config { algorithms: algorithms.to_vec(), patience: SOON, ..config }).unwrap()
}

/// What such a phone is challenged with until it is registered, or the code it is refused with.
fn register(demo: &Demo, algorithms: &[Algorithm]) -> Result<Vec<Algorithm>, u16> {
    let phone = phone(demo, algorithms);
    match phone.register(EXPIRES_S) {
        Ok(done) => {
            // The policy may change between the two.
            let _left = phone.unregister();
            Ok(done.challenges.iter().map(|challenge| challenge.algorithm).collect())
        }
        Err(failure) => Err(failure.code().unwrap_or_else(|| panic!("{failure}"))),
    }
}

/// Waits until a phone of these algorithms fares so: a change is in force within a second.
fn fares(demo: &Demo, algorithms: &[Algorithm], expect: &Result<Vec<Algorithm>, u16>) {
    let mut last = None;
    eventually(&format!("{algorithms:?} fares {expect:?}, not {last:?}"), || {
        let got = register(demo, algorithms);
        let same = got == *expect;
        last = Some(got);
        same.then_some(())
    });
}

#[test]
fn an_account_may_use_the_algorithms_of_its_policy() {
    let home = Home::new();
    let demo = Demo::start(&home);
    assert_eq!(register(&demo, &[SHA256, MD5]), Ok(vec![MD5]), "the demo asks for MD5 alone");
    demo.change("UPDATE tenants SET algorithms = '[\"SHA-256\",\"MD5\"]'");
    fares(&demo, &[SHA256], &Ok(vec![SHA256, MD5]));
    // Strangers are asked for either, the better one on top (RFC 8760 2.4).
    for algorithms in [&[SHA256, MD5][..], &[SHA256], &[MD5]] {
        assert_eq!(register(&demo, algorithms), Ok(vec![SHA256, MD5]), "{algorithms:?}");
    }
    let policy = |is: &str| {
        demo.change(&format!("UPDATE subscribers SET {is} WHERE username = '1001'"));
    };
    policy("digest = 'sha256-only'");
    // Who answers by MD5 is told what is wanted, once the answer is right.
    fares(&demo, &[MD5], &Err(401));
    fares(&demo, &[SHA256], &Ok(vec![SHA256, MD5]));
    fares(&demo, &[SHA256, MD5], &Ok(vec![SHA256, MD5]));
    policy("digest = 'md5-only'");
    fares(&demo, &[SHA256], &Err(401));
    fares(&demo, &[MD5], &Ok(vec![SHA256, MD5]));
    // It answers the first challenge by SHA-256, and is challenged again for MD5 alone.
    fares(&demo, &[SHA256, MD5], &Ok(vec![SHA256, MD5, MD5]));
    // An old account of which nothing but the MD5 secret is known fares the same.
    policy("digest = 'both', ha1_sha256 = NULL");
    fares(&demo, &[SHA256, MD5], &Ok(vec![SHA256, MD5, MD5]));
    fares(&demo, &[SHA256], &Err(401));
    // So does its call.
    let callee = crate::talk::desk(&demo, flows::BOB);
    let caller = phone(&demo, &[SHA256, MD5]);
    let out = caller.invite("1002").unwrap();
    let inc = callee.wait_call(SOON).unwrap();
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    demo.stop();
}

#[test]
fn a_wrong_password_learns_no_policy() {
    let home = Home::new();
    let demo = Demo::start(&home);
    demo.change("UPDATE subscribers SET digest = 'sha256-only' WHERE username = '1001'");
    fares(&demo, &[MD5], &Err(401));
    let config = Config::new(flows::ALICE.0, "wrong", demo.sip);
    let thief = Phone::new(Config { algorithms: vec![MD5], patience: SOON, ..config }).unwrap();
    assert_eq!(thief.register(EXPIRES_S).unwrap_err().code(), Some(403));
    demo.stop();
}

/// Credentials with a session key (RFC 7616 3.4.2), which the phone does not speak by itself.
fn session_credentials(challenge: &Challenge, password: &str, uri: &str) -> String {
    let (user, cnonce) = (flows::ALICE.0, "0a4f113b");
    let Challenge { realm, nonce, algorithm, .. } = challenge;
    let ha1 = algorithm.hash(&format!("{user}:{realm}:{password}"));
    let key = algorithm.hash(&format!("{ha1}:{nonce}:{cnonce}"));
    let ha2 = algorithm.hash(&format!("REGISTER:{uri}"));
    let response = algorithm.hash(&format!("{key}:{nonce}:00000001:{cnonce}:auth:{ha2}"));
    format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm={}-sess, cnonce=\"{cnonce}\", nc=00000001, qop=auth",
        algorithm.name()
    )
}

/// The code that a REGISTER with such credentials is answered with.
fn register_by_session(demo: &Demo, algorithm: Algorithm, password: &str) -> u16 {
    let raw = Raw::new(anywhere(), demo.sip).unwrap();
    let (at, uri) = (raw.local().unwrap(), format!("sip:{}", demo.sip));
    let request = |cseq: u32, credentials: Option<String>| {
        let own = format!("<sip:{}@{}>", flows::ALICE.0, demo.sip);
        let mut request = Message::request("REGISTER", &uri);
        request.push("Via", &format!("SIP/2.0/UDP {at};branch=z9hG4bKs{}{cseq}", at.port()));
        request.push("Max-Forwards", "70");
        request.push("From", &format!("{own};tag=s{}", at.port()));
        request.push("To", &own);
        request.push("Call-ID", &format!("session-{}", at.port()));
        request.push("CSeq", &format!("{cseq} REGISTER"));
        request.push("Contact", &format!("<sip:{}@{at}>", flows::ALICE.0));
        request.push("Expires", "60");
        if let Some(credentials) = credentials {
            request.push("Authorization", &credentials);
        }
        request.to_bytes()
    };
    let asked = raw.expect(&request(1, None), 401, SOON).unwrap().expect("a challenge");
    let challenges = asked.lines("WWW-Authenticate");
    let mut challenges = challenges.iter().filter_map(|value| Challenge::parse(value));
    let challenge = challenges.find(|challenge| challenge.algorithm == algorithm).unwrap();
    let credentials = session_credentials(&challenge, password, &uri);
    raw.send(&request(2, Some(credentials))).unwrap();
    let got = raw.collect(std::time::Duration::from_millis(500)).unwrap();
    let mut codes = got.iter().filter_map(|bytes| Message::parse(bytes).ok()?.code());
    codes.next_back().unwrap()
}

#[test]
fn credentials_with_a_session_key_are_taken() {
    let home = Home::new();
    let demo = Demo::start(&home);
    demo.change("UPDATE tenants SET algorithms = '[\"SHA-256\",\"MD5\"]'");
    fares(&demo, &[SHA256], &Ok(vec![SHA256, MD5]));
    for algorithm in [MD5, SHA256] {
        assert_eq!(register_by_session(&demo, algorithm, flows::ALICE.1), 200, "{algorithm:?}");
        assert_eq!(register_by_session(&demo, algorithm, "guess"), 403, "{algorithm:?}");
    }
    demo.stop();
}
