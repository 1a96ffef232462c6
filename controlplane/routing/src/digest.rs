//! Digest credentials against a stored HA1 (RFC 3261 22.4, RFC 7616 3.4, RFC 8760).
//!
//! The dataplane has made the nonce and checked that it is its own and fresh; here only the
//! response is computed and compared, in constant time.

use md5::{Digest as _, Md5};
use sha2::Sha256;
use strowger_link::{Algorithm, Credentials};
use strowger_model::{DigestAlgorithm, DigestPolicy, Ha1, Subscriber};

/// What became of credentials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// They are the subscriber's.
    Right,
    /// They are right, and the subscriber must use a better algorithm.
    Weak,
    /// They are not, or cannot be checked.
    Wrong,
}

/// Checks `credentials` against what is stored for `subscriber`.
///
/// The policy is looked at after the response, so that only who knows the password learns it.
#[must_use]
pub fn verify(credentials: &Credentials, subscriber: &Subscriber) -> Verdict {
    let right = match credentials.algorithm {
        Algorithm::Md5 => subscriber.ha1_md5.is_some_and(|ha1| verify_md5(credentials, &ha1)),
        Algorithm::Sha256 => {
            subscriber.ha1_sha256.is_some_and(|ha1| verify_sha256(credentials, &ha1))
        }
    };
    match (right, allows(subscriber.digest, credentials.algorithm)) {
        (false, true | false) => Verdict::Wrong,
        (true, true) => Verdict::Right,
        (true, false) => Verdict::Weak,
    }
}

/// Spends what [`verify`] would on a known user, so that time does not tell who exists.
pub(crate) fn verify_nobody(credentials: &Credentials) -> Verdict {
    let matched = match credentials.algorithm {
        Algorithm::Md5 => verify_md5(credentials, &Ha1([0; 16])),
        Algorithm::Sha256 => verify_sha256(credentials, &Ha1([0; 32])),
    };
    // An HA1 of zeros is nobody's; the comparison is made for its duration only.
    core::hint::black_box(matched);
    Verdict::Wrong
}

/// The algorithms that `policy` allows and the subscriber has a secret for, best first.
#[must_use]
pub fn algorithms(subscriber: &Subscriber) -> Vec<Algorithm> {
    let known = |algorithm: &Algorithm| match algorithm {
        Algorithm::Md5 => subscriber.ha1_md5.is_some(),
        Algorithm::Sha256 => subscriber.ha1_sha256.is_some(),
    };
    [Algorithm::Sha256, Algorithm::Md5]
        .into_iter()
        .filter(|a| allows(subscriber.digest, *a) && known(a))
        .collect()
}

const fn allows(policy: DigestPolicy, algorithm: Algorithm) -> bool {
    match (policy, algorithm) {
        (DigestPolicy::Both, Algorithm::Md5 | Algorithm::Sha256)
        | (DigestPolicy::Sha256Only, Algorithm::Sha256)
        | (DigestPolicy::Md5Only, Algorithm::Md5) => true,
        (DigestPolicy::Sha256Only, Algorithm::Md5) | (DigestPolicy::Md5Only, Algorithm::Sha256) => {
            false
        }
    }
}

/// An algorithm of the model in the words of the contract.
#[must_use]
pub const fn algorithm(of: DigestAlgorithm) -> Algorithm {
    match of {
        DigestAlgorithm::Md5 => Algorithm::Md5,
        DigestAlgorithm::Sha256 => Algorithm::Sha256,
    }
}

/// `MD5(username:realm:password)`.
#[must_use]
pub fn ha1_md5(username: &str, realm: &str, password: &str) -> Ha1<16> {
    Ha1(md5(&[username, ":", realm, ":", password]))
}

/// `SHA-256(username:realm:password)`.
#[must_use]
pub fn ha1_sha256(username: &str, realm: &str, password: &str) -> Ha1<32> {
    Ha1(sha256(&[username, ":", realm, ":", password]))
}

fn verify_md5(credentials: &Credentials, ha1: &Ha1<16>) -> bool {
    let ha2 = hex(&md5(&[&credentials.method, ":", &credentials.uri]));
    request_digest(credentials, &hex(&ha1.0), &ha2, |parts| hex(&md5(parts)))
        .is_some_and(|expect| same(&expect, &credentials.response))
}

fn verify_sha256(credentials: &Credentials, ha1: &Ha1<32>) -> bool {
    let ha2 = hex(&sha256(&[&credentials.method, ":", &credentials.uri]));
    request_digest(credentials, &hex(&ha1.0), &ha2, |parts| hex(&sha256(parts)))
        .is_some_and(|expect| same(&expect, &credentials.response))
}

/// RFC 7616 3.4.1 with qop=auth; the form of RFC 2069 without. `None` for a qop we never offer.
fn request_digest(
    c: &Credentials,
    ha1: &str,
    ha2: &str,
    hash: impl Fn(&[&str]) -> String,
) -> Option<String> {
    match c.qop.as_deref() {
        None => Some(hash(&[ha1, ":", &c.nonce, ":", ha2])),
        Some(qop) if qop.eq_ignore_ascii_case("auth") => Some(hash(&[
            ha1,
            ":",
            &c.nonce,
            ":",
            &c.nonce_count,
            ":",
            &c.cnonce,
            ":",
            qop,
            ":",
            ha2,
        ])),
        Some(_) => None,
    }
}

/// What the subscriber's phone would answer to the challenge in `credentials`; `None` without a
/// secret for its algorithm. For dry runs, which go the way of every call.
pub(crate) fn response(credentials: &Credentials, subscriber: &Subscriber) -> Option<String> {
    let Credentials { method, uri, .. } = credentials;
    match credentials.algorithm {
        Algorithm::Md5 => {
            let ha2 = hex(&md5(&[method, ":", uri]));
            let ha1 = hex(&subscriber.ha1_md5?.0);
            request_digest(credentials, &ha1, &ha2, |parts| hex(&md5(parts)))
        }
        Algorithm::Sha256 => {
            let ha2 = hex(&sha256(&[method, ":", uri]));
            let ha1 = hex(&subscriber.ha1_sha256?.0);
            request_digest(credentials, &ha1, &ha2, |parts| hex(&sha256(parts)))
        }
    }
}

/// What a phone would answer; for tests.
#[cfg(test)]
pub(crate) fn response_md5(credentials: &Credentials, ha1: &Ha1<16>) -> String {
    let ha2 = hex(&md5(&[&credentials.method, ":", &credentials.uri]));
    request_digest(credentials, &hex(&ha1.0), &ha2, |parts| hex(&md5(parts))).unwrap()
}

fn md5(parts: &[&str]) -> [u8; 16] {
    let mut hash = Md5::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn sha256(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// Lower-case hex, as the RFCs' LHEX.
fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(if n < 10 { b'0' + n } else { b'a' + n - 10 });
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// Compares without telling by its duration where the texts differ; case does not matter in hex.
fn same(expect: &str, shown: &str) -> bool {
    if expect.len() != shown.len() {
        return false;
    }
    let differences = expect
        .bytes()
        .zip(shown.bytes())
        .fold(0u8, |seen, (a, b)| seen | (a ^ b.to_ascii_lowercase()));
    core::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// The example of RFC 7616 3.9.1: user Mufasa, "Circle of Life".
    fn mufasa(algorithm: Algorithm, response: &str) -> Credentials {
        Credentials {
            algorithm,
            username: "Mufasa".into(),
            realm: "http-auth@example.org".into(),
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".into(),
            uri: "/dir/index.html".into(),
            method: "GET".into(),
            qop: Some("auth".into()),
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".into(),
            nonce_count: "00000001".into(),
            response: response.into(),
        }
    }

    fn subscriber(digest: DigestPolicy) -> Subscriber {
        let (user, realm, password) = ("Mufasa", "http-auth@example.org", "Circle of Life");
        Subscriber {
            ha1_md5: Some(ha1_md5(user, realm, password)),
            ha1_sha256: Some(ha1_sha256(user, realm, password)),
            digest,
            ..testing::subscriber(1, "Mufasa")
        }
    }

    const MD5_RESPONSE: &str = "8ca523f5e9506fed4657c9700eebdbec";
    const SHA256_RESPONSE: &str =
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";

    #[test]
    fn rfc_7616_vectors() {
        let both = subscriber(DigestPolicy::Both);
        assert_eq!(verify(&mufasa(Algorithm::Md5, MD5_RESPONSE), &both), Verdict::Right);
        assert_eq!(verify(&mufasa(Algorithm::Sha256, SHA256_RESPONSE), &both), Verdict::Right);
        let upper = MD5_RESPONSE.to_uppercase();
        assert_eq!(verify(&mufasa(Algorithm::Md5, &upper), &both), Verdict::Right);
        assert_eq!(verify(&mufasa(Algorithm::Md5, SHA256_RESPONSE), &both), Verdict::Wrong);
        assert_eq!(verify(&mufasa(Algorithm::Sha256, MD5_RESPONSE), &both), Verdict::Wrong);
        assert_eq!(verify(&mufasa(Algorithm::Md5, ""), &both), Verdict::Wrong);
    }

    /// RFC 2069 2.1.2 has no vector, so the formula is written out: MD5(HA1:nonce:HA2).
    #[test]
    fn without_qop() {
        let mut credentials = mufasa(Algorithm::Md5, "");
        credentials.qop = None;
        let ha1 = hex(&subscriber(DigestPolicy::Both).ha1_md5.unwrap().0);
        let ha2 = hex(&md5(&["GET:/dir/index.html"]));
        credentials.response = hex(&md5(&[&format!("{ha1}:{}:{ha2}", credentials.nonce)]));
        assert_eq!(verify(&credentials, &subscriber(DigestPolicy::Both)), Verdict::Right);
        credentials.qop = Some("auth".into());
        assert_eq!(verify(&credentials, &subscriber(DigestPolicy::Both)), Verdict::Wrong);
        credentials.qop = Some("auth-int".into());
        assert_eq!(verify(&credentials, &subscriber(DigestPolicy::Both)), Verdict::Wrong);
    }

    #[test]
    fn every_signed_field_counts() {
        let edits: [fn(&mut Credentials); 6] = [
            |c| c.nonce.push('x'),
            |c| c.uri.push('x'),
            |c| c.method = "REGISTER".into(),
            |c| c.cnonce.push('x'),
            |c| c.nonce_count = "00000002".into(),
            |c| c.response.replace_range(..1, "9"),
        ];
        for (n, edit) in edits.iter().enumerate() {
            let mut credentials = mufasa(Algorithm::Sha256, SHA256_RESPONSE);
            edit(&mut credentials);
            let verdict = verify(&credentials, &subscriber(DigestPolicy::Both));
            assert_eq!(verdict, Verdict::Wrong, "edit {n}");
        }
    }

    #[test]
    fn policy_is_told_only_to_who_knows_the_password() {
        let strict = subscriber(DigestPolicy::Sha256Only);
        assert_eq!(verify(&mufasa(Algorithm::Md5, MD5_RESPONSE), &strict), Verdict::Weak);
        let wrong = "00000000000000000000000000000000";
        assert_eq!(verify(&mufasa(Algorithm::Md5, wrong), &strict), Verdict::Wrong);
        assert_eq!(algorithms(&strict), [Algorithm::Sha256]);
        let old = subscriber(DigestPolicy::Md5Only);
        assert_eq!(verify(&mufasa(Algorithm::Sha256, SHA256_RESPONSE), &old), Verdict::Weak);
        let bare = Subscriber { ha1_sha256: None, ..subscriber(DigestPolicy::Both) };
        assert_eq!(algorithms(&bare), [Algorithm::Md5]);
        assert_eq!(verify(&mufasa(Algorithm::Sha256, SHA256_RESPONSE), &bare), Verdict::Wrong);
    }
}
