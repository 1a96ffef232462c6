//! Digest algorithms by account: who may use which, and what challenges say.

use strowger_phone::digest::Algorithm;
use strowger_phone::{Config, EndedBy, Phone, flows};

use crate::demo::{Demo, Home, eventually};
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
