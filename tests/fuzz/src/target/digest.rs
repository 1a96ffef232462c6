//! Digest challenges and credentials: readers, our own challenge, the answer to it, nonces.

use std::net::{IpAddr, Ipv4Addr};

use strowger_link::siphash::Key;
use strowger_link::{MS, Tick};
use strowger_sip::digest::{
    Algorithm, Challenge, Check, Credentials, Ha1, Identity, NONCE_LEN, Nonces, Request, Verdict,
    write_challenge,
};

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "digest", run, seeds, words: WORDS };

const WORDS: &[&[u8]] = &[
    b"Digest ",
    b"username=\"u\"",
    b"realm=\"r\"",
    b"nonce=\"n\"",
    b"uri=\"sip:h\"",
    b"response=\"0\"",
    b"qop=auth",
    b"qop=\"auth,auth-int\"",
    b"nc=00000001",
    b"cnonce=\"c\"",
    b"algorithm=MD5",
    b"algorithm=SHA-256",
    b"opaque=\"o\"",
    b"stale=true",
    b",",
    b"\"",
    b"\\",
];

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    if let Some(credentials) = Credentials::parse(input) {
        let ha1 = Ha1::compute(Algorithm::Md5, b"u", b"r", b"p");
        let check = credentials.verify(&ha1, b"REGISTER");
        shape.print("credentials", &check).note("nc", &credentials.nonce_count().is_some());
        shape.note("cnonce", &credentials.client_nonce().is_some());
    }
    let challenge = Challenge::parse(input);
    shape.note("challenge", &challenge.is_some());
    if let Some(challenge) = challenge {
        answered(&challenge, &mut shape);
    }
    ours(&mut Choices(input));
    nonce(&mut Choices(input));
    shape
}

/// What answers a challenge is read back, and is right.
fn answered(challenge: &Challenge<'_>, shape: &mut Shape) {
    let ha1 = Ha1::compute(challenge.algorithm, b"u", challenge.realm, b"p");
    let who = Identity { username: b"u", password: b"p" };
    let request = Request { method: b"REGISTER", uri: b"sip:h" };
    let mut out = Vec::new();
    challenge.answer(who, request, b"c", 1, &mut out);
    let credentials = Credentials::parse(&out);
    let check = credentials.map(|credentials| credentials.verify(&ha1, b"REGISTER"));
    shape.print("answered", &check);
    assert_eq!(check, Some(Check::Match), "{}", out.escape_ascii());
}

/// Our own challenge reads back.
fn ours(choices: &mut Choices<'_>) {
    let flags = choices.u8();
    let algorithm = if flags & 1 == 0 { Algorithm::Md5 } else { Algorithm::Sha256 };
    let realm_len = usize::from(choices.u8() % 64);
    let visible = |byte: &u8| b' ' + byte % 95;
    let realm: Vec<u8> = choices.bytes(realm_len).iter().map(visible).collect();
    let mut out = Vec::new();
    write_challenge(&mut out, &realm, b"0123456789abcdef", algorithm, flags & 2 == 2);
    let challenge = Challenge::parse(&out);
    let read = challenge.map(|challenge| (challenge.algorithm, challenge.stale));
    assert_eq!(read, Some((algorithm, flags & 2 == 2)), "{}", out.escape_ascii());
}

/// A nonce is fresh for its source within its time, stale after it, and forged otherwise.
fn nonce(choices: &mut Choices<'_>) {
    let nonces = Nonces::new(Key(choices.array()), 30);
    let source = Ipv4Addr::from(choices.array());
    let other = IpAddr::V4(Ipv4Addr::from(u32::from(source) ^ 1));
    let issued = Tick(u64::from(choices.u32()) * MS);
    let mut nonce = nonces.issue(source.into(), issued);
    let judge =
        |nonce: &[u8], source, after_ms| nonces.judge(nonce, source, issued.plus_ms(after_ms));
    assert_eq!(judge(&nonce, source.into(), 30_000), Verdict::Fresh);
    assert_eq!(judge(&nonce, source.into(), 30_001), Verdict::Stale);
    assert_eq!(judge(&nonce, other, 0), Verdict::Forged);
    assert_eq!(judge(&nonce[1..], source.into(), 0), Verdict::Forged);
    let at = usize::from(choices.u8()) % NONCE_LEN;
    nonce[at] = if nonce[at] == b'0' { b'1' } else { b'0' };
    assert_eq!(judge(&nonce, source.into(), 0), Verdict::Forged);
}

fn seeds(_: &mut Dice) -> Vec<Vec<u8>> {
    let texts: [&[u8]; 4] = [
        b"Digest realm=\"atlanta.example.com\", nonce=\"84a4cc6f3082121f32b42a2187831a9e\", \
          opaque=\"5ccc\", stale=FALSE, algorithm=MD5, qop=\"auth\"",
        b"Digest realm=\"a \\\"b\\\"\",nonce=\"n\",algorithm=SHA-256,qop=\"auth-int,auth\"",
        b"Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:h\",response=\
          \"00000000000000000000000000000000\",qop=auth,nc=00000001,cnonce=\"c\",algorithm=MD5",
        b"Digest realm=\"r\",nonce=\"n\"",
    ];
    texts.map(<[u8]>::to_vec).to_vec()
}
