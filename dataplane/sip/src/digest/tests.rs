use std::net::IpAddr;

use strowger_link::siphash::Key;
use strowger_link::{SECOND, Tick};

use super::*;

/// The example of RFC 2617 3.5.
#[test]
fn rfc_2617_example() {
    let value = b"Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
        nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, \
        nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", \
        opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let credentials = Credentials::parse(value).unwrap();
    let ha1 = Ha1::compute(Algorithm::Md5, b"Mufasa", b"testrealm@host.com", b"Circle Of Life");
    assert_eq!(ha1.hex(), b"939e7578ed9e3c518a452acee763bce9");
    assert_eq!(credentials.verify(&ha1, b"GET"), Check::Match);
    assert_eq!(credentials.verify(&ha1, b"PUT"), Check::Mismatch);
    assert_eq!((credentials.nonce_count(), credentials.username), (Some(1), b"Mufasa".as_slice()));
    let other = Ha1::compute(Algorithm::Md5, b"Mufasa", b"testrealm@host.com", b"circle of life");
    assert_eq!(credentials.verify(&other, b"GET"), Check::Mismatch);
}

/// The example of RFC 7616 3.9.1, both algorithms.
#[test]
fn rfc_7616_example() {
    let check = |algorithm: Algorithm, response: &str| {
        let value = format!(
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
             algorithm={}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
             response=\"{response}\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
            algorithm.name()
        );
        let credentials = Credentials::parse(value.as_bytes()).unwrap();
        let ha1 = Ha1::compute(algorithm, b"Mufasa", b"http-auth@example.org", b"Circle of Life");
        assert_eq!(credentials.verify(&ha1, b"GET"), Check::Match, "{algorithm:?}");
    };
    check(Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec");
    check(Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
}

/// The fields of that example with a session key (RFC 7616 3.4.2), worked out with another library:
/// H(H(A1) ":" nonce ":" cnonce) in place of H(A1).
#[test]
fn a_session_key_is_made_of_the_secret_and_both_nonces() {
    let check = |algorithm: Algorithm, response: &str| {
        let value = format!(
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
             algorithm={}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
             response=\"{response}\"",
            algorithm.name_of(true)
        );
        let credentials = Credentials::parse(value.as_bytes()).unwrap();
        let ha1 = Ha1::compute(algorithm, b"Mufasa", b"http-auth@example.org", b"Circle of Life");
        assert_eq!(credentials.verify(&ha1, b"GET"), Check::Match, "{algorithm:?}");
        let plain = value.replace("-sess", "");
        let credentials = Credentials::parse(plain.as_bytes()).unwrap();
        assert_eq!(credentials.verify(&ha1, b"GET"), Check::Mismatch, "{algorithm:?}");
    };
    check(Algorithm::Md5, "e783283f46242139c486a698fec7211d");
    check(Algorithm::Sha256, "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7");
}

/// Whether the server makes the session key anew for each request or once for its nonce: the answer
/// is right.
#[test]
fn a_session_has_one_client_nonce() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let name = algorithm.name_of(true);
        let ours = |nonce: &str| {
            format!("Digest realm=\"r\",nonce=\"{nonce}\",algorithm={name},qop=\"auth\"")
        };
        let answered = |nonce: &str, password: &[u8], count: u32| {
            let ours = ours(nonce);
            let challenge = Challenge::parse(ours.as_bytes()).unwrap();
            assert!(challenge.session);
            let mut out = Vec::new();
            let identity = Identity { username: b"u", password };
            let request = Request { method: b"INVITE", uri: b"sip:h" };
            challenge.answer(identity, request, b"unused", count, &mut out);
            let credentials = Credentials::parse(&out).unwrap();
            let ha1 = Ha1::compute(algorithm, b"u", b"r", password);
            assert_eq!(credentials.verify(&ha1, b"INVITE"), Check::Match);
            assert_eq!((credentials.session, credentials.nonce_count()), (true, Some(count)));
            credentials.client_nonce().unwrap().to_vec()
        };
        let first = answered("n", b"p", 1);
        assert_eq!(first.len(), 16);
        assert_eq!(answered("n", b"p", 2), first);
        assert_ne!(answered("m", b"p", 1), first);
        assert_ne!(answered("n", b"q", 1), first);
        let renewed = Challenge::parse(ours("n").as_bytes()).unwrap().renewed(b"k");
        assert!(Challenge::parse(&renewed).unwrap().session);
        let without = ours("n").replace(",qop=\"auth\"", "");
        assert_eq!(Challenge::parse(without.as_bytes()), None, "a key without a client's nonce");
    }
}

#[test]
fn an_answer_satisfies_the_challenger() {
    let source: IpAddr = "192.0.2.1".parse().unwrap();
    let nonces = Nonces::new(Key([12; 16]), 60);
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let nonce = nonces.issue(source, Tick(5 * SECOND));
        let mut ours = Vec::new();
        write_challenge(&mut ours, b"tenant \"x\"", &nonce, algorithm, false);
        let challenge = Challenge::parse(&ours).unwrap();
        assert_eq!((challenge.algorithm, challenge.stale), (algorithm, false));
        let identity = Identity { username: b"10\"01", password: b"pw" };
        let mut theirs = Vec::new();
        let request = Request { method: b"REGISTER", uri: b"sip:h" };
        challenge.answer(identity, request, b"c0ffee", 1, &mut theirs);
        let credentials = Credentials::parse(&theirs).unwrap();
        assert_eq!(credentials.username, b"10\\\"01");
        let ha1 = Ha1::compute(algorithm, b"10\"01", challenge.realm, b"pw");
        assert_eq!(credentials.verify(&ha1, b"REGISTER"), Check::Match);
        assert_eq!(nonces.judge(credentials.nonce, source, Tick(9 * SECOND)), Verdict::Fresh);
    }
}

#[test]
fn a_challenge_without_qop_is_answered_without() {
    let challenge =
        Challenge::parse(b"Digest realm=\"r\", nonce=\"n\", opaque=\"o\", stale=TRUE").unwrap();
    assert!(challenge.stale);
    let mut answer = Vec::new();
    let identity = Identity { username: b"u", password: b"p" };
    challenge.answer(identity, Request { method: b"INVITE", uri: b"sip:h" }, b"c", 1, &mut answer);
    let text = String::from_utf8(answer).unwrap();
    assert!(
        !text.contains("qop") && !text.contains("nc=") && !text.contains("algorithm"),
        "{text}"
    );
    assert!(text.ends_with(",opaque=\"o\""), "{text}");
    let ha1 = Ha1::compute(Algorithm::Md5, b"u", b"r", b"p");
    let credentials = Credentials::parse(text.as_bytes()).unwrap();
    assert_eq!(credentials.verify(&ha1, b"INVITE"), Check::Match);
}

#[test]
fn challenges_that_we_do_not_speak_are_none_and_the_stronger_hash_is_better() {
    for foreign in [
        b"NewScheme realm=\"r\"".as_slice(),
        b"Digest realm=\"r\",nonce=\"0\",algorithm=SHA-512-256,qop=\"auth\"",
    ] {
        assert_eq!(Challenge::parse(foreign), None);
    }
    let of = |value| Challenge::parse(value).unwrap();
    let sha = of(b"Digest realm=\"r\",nonce=\"1\",algorithm=SHA-256,qop=\"auth-int,auth\"");
    let md5 = of(b"Digest realm=\"r\",nonce=\"2\",qop=\"auth\"");
    assert!(sha.is_better_than(&md5) && !md5.is_better_than(&sha) && !sha.is_better_than(&sha));
    assert_eq!(Challenge::parse(b"Digest realm=\"r\",nonce=\"1\",qop=\"auth-int\""), None);
}

#[test]
fn a_nonce_given_ahead_renews_a_challenge() {
    let asked = b"Digest realm=\"r\",nonce=\"1\",algorithm=SHA-256,qop=\"auth\",opaque=\"o\"";
    let old = Challenge::parse(asked).unwrap();
    let info = b"qop=auth, nextnonce=\"2\", nc=00000001";
    let renewed = old.renewed(next_nonce(info).unwrap());
    assert_eq!(
        String::from_utf8(renewed).unwrap(),
        "Digest realm=\"r\",nonce=\"2\",algorithm=SHA-256,qop=\"auth\",opaque=\"o\""
    );
    for none in [b"qop=auth".as_slice(), b"nextnonce=\"1\",nextnonce=\"2\"", b"nextnonce"] {
        assert_eq!(next_nonce(none), None);
    }
}

#[test]
fn credentials_out_of_bounds_are_refused() {
    let good = "Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:h\",response=\"0\"";
    assert!(Credentials::parse(good.as_bytes()).is_some());
    let long = "x".repeat(crate::limits::DIGEST_VALUE_MAX + 1);
    for bad in [
        good.replace("Digest", "Basic"),
        good.replace("\"u\"", &format!("\"{long}\"")),
        format!("{good},username=\"v\""),
        format!("{good},qop=auth"),
        format!("{good},qop=auth,nc=1,cnonce=\"c\""),
        format!("{good},qop=auth-int,nc=00000001,cnonce=\"c\""),
        format!("{good},algorithm=MD5-sess"),
        format!("{good}{}", ",a=b".repeat(crate::limits::DIGEST_PARAMS_MAX)),
        good.replace(",response=\"0\"", ""),
        good.replace("\"n\"", "\"n"),
        "Digest".into(),
        String::new(),
    ] {
        assert_eq!(Credentials::parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn an_ha1_of_another_algorithm_does_not_match() {
    let ha1 = Ha1::compute(Algorithm::Md5, b"u", b"r", b"p");
    let proof =
        Proof { method: b"INVITE", uri: b"sip:h", nonce: b"n", count: None, session: false };
    let text = format!(
        "Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:h\",algorithm=SHA-256,\
         response=\"{}\"",
        String::from_utf8_lossy(proof.response(&ha1).text())
    );
    let credentials = Credentials::parse(text.as_bytes()).unwrap();
    assert_eq!(credentials.verify(&ha1, b"INVITE"), Check::Mismatch);
}

#[test]
fn stored_hashes_come_back() {
    let ha1 = Ha1::compute(Algorithm::Sha256, b"u", b"r", b"p");
    let upper = String::from_utf8_lossy(ha1.hex()).to_uppercase();
    assert_eq!(Ha1::from_hex(Algorithm::Sha256, upper.as_bytes()), Some(ha1));
    assert_eq!(Ha1::from_hex(Algorithm::Md5, upper.as_bytes()), None);
    assert_eq!(Ha1::from_hex(Algorithm::Md5, &[b'g'; 32]), None);
    assert!(!format!("{ha1:?}").contains(&upper.to_lowercase()));
}

#[test]
fn nonces_judge_themselves() {
    let nonces = Nonces::new(Key([78; 16]), 30);
    let (here, there): (IpAddr, IpAddr) =
        ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let issued = Tick(100 * SECOND);
    let nonce = nonces.issue(here, issued);
    let judge =
        |nonce: &[u8], source: IpAddr, at_s: u64| nonces.judge(nonce, source, Tick(at_s * SECOND));
    assert_eq!(judge(&nonce, here, 100), Verdict::Fresh);
    assert_eq!(judge(&nonce, here, 130), Verdict::Fresh);
    assert_eq!(judge(&nonce, here, 131), Verdict::Stale);
    assert_eq!(judge(&nonce, here, 99), Verdict::Stale);
    assert_eq!(judge(&nonce, there, 100), Verdict::Forged);
    assert_eq!(judge(&nonce, "::ffff:192.0.2.1".parse().unwrap(), 100), Verdict::Fresh);
    assert_eq!(Nonces::new(Key([79; 16]), 30).judge(&nonce, here, issued), Verdict::Forged);
    for at in 0..NONCE_LEN {
        let mut changed = nonce;
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        assert_eq!(judge(&changed, here, 100), Verdict::Forged, "{at}");
    }
    // Two in the same millisecond are two.
    let another = nonces.issue(here, issued);
    assert_ne!(nonce, another);
    assert_eq!(judge(&another, here, 130), Verdict::Fresh);
    for bad in [b"".as_slice(), b"x", &nonce[..NONCE_LEN - 1], &[nonce.as_slice(), b"0"].concat()] {
        assert_eq!(judge(bad, here, 100), Verdict::Forged);
    }
}
