//! Digest credentials against a stored HA1 (RFC 3261 22.4, RFC 7616 3.4, RFC 8760).
//!
//! The dataplane has made the nonce and checked that it is its own and fresh; here only the
//! response is computed and compared, in constant time.

use md5::{Digest as _, Md5};
use sha2::Sha256;
use strowger_link::{Algorithm, Credentials};
use strowger_model::{DigestAlgorithm, DigestPolicy, Ha1, Subscriber, Tenant, TrunkCredentials};

/// What became of credentials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// They are right.
    Right,
    /// They are right, and another algorithm must be used.
    Weak,
    /// Nothing is stored for their algorithm, but for another one.
    Unknown,
    /// They are not, or cannot be checked.
    Wrong,
}

/// What is stored of somebody who shows credentials.
#[derive(Clone, Copy, Debug)]
pub struct Secrets {
    /// `MD5(username:realm:password)`.
    pub ha1_md5: Option<Ha1<16>>,
    /// `SHA-256(username:realm:password)`.
    pub ha1_sha256: Option<Ha1<32>>,
    /// Algorithms accepted.
    pub policy: DigestPolicy,
}

impl From<&Subscriber> for Secrets {
    fn from(row: &Subscriber) -> Secrets {
        Secrets { ha1_md5: row.ha1_md5, ha1_sha256: row.ha1_sha256, policy: row.digest }
    }
}

impl From<&TrunkCredentials> for Secrets {
    fn from(row: &TrunkCredentials) -> Secrets {
        Secrets { ha1_md5: row.ha1_md5, ha1_sha256: row.ha1_sha256, policy: row.digest }
    }
}

/// Checks `credentials` against what is stored.
///
/// The policy is looked at after the response, so that only who knows the password learns it. An
/// old account of which only the MD5 secret is stored is the exception: a client that answers the
/// better challenge first, as RFC 8760 2.4 has it, could never get in else.
#[must_use]
pub fn verify(credentials: &Credentials, stored: impl Into<Secrets>, tenant: &Tenant) -> Verdict {
    let stored = stored.into();
    let allowed = algorithms(stored, tenant);
    let hash = credentials.algorithm.hash();
    let right = match credentials.algorithm {
        Algorithm::Md5 | Algorithm::Md5Session => {
            stored.ha1_md5.map(|ha1| verify_md5(credentials, &ha1))
        }
        Algorithm::Sha256 | Algorithm::Sha256Session => {
            stored.ha1_sha256.map(|ha1| verify_sha256(credentials, &ha1))
        }
    };
    match right {
        _ if allowed.is_empty() => Verdict::Wrong,
        None => Verdict::Unknown,
        Some(false) => Verdict::Wrong,
        Some(true) if allowed.contains(&hash) => Verdict::Right,
        Some(true) => Verdict::Weak,
    }
}

/// Spends what [`verify`] would on a known user, so that time does not tell who exists.
pub(crate) fn verify_nobody(credentials: &Credentials) -> Verdict {
    let matched = match credentials.algorithm {
        Algorithm::Md5 | Algorithm::Md5Session => verify_md5(credentials, &Ha1([0; 16])),
        Algorithm::Sha256 | Algorithm::Sha256Session => verify_sha256(credentials, &Ha1([0; 32])),
    };
    // An HA1 of zeros is nobody's; the comparison is made for its duration only.
    core::hint::black_box(matched);
    Verdict::Wrong
}

/// The algorithms that somebody may use, best first: those of its policy for which a secret is
/// stored. A policy that names one algorithm stands above the tenant's list, which is what all
/// others may use and strangers are asked for.
#[must_use]
pub fn algorithms(stored: impl Into<Secrets>, tenant: &Tenant) -> Vec<Algorithm> {
    let stored = stored.into();
    let known = |of: &Algorithm| match of {
        Algorithm::Md5 | Algorithm::Md5Session => stored.ha1_md5.is_some(),
        Algorithm::Sha256 | Algorithm::Sha256Session => stored.ha1_sha256.is_some(),
    };
    let allowed = |of: &Algorithm| match (stored.policy, of) {
        (DigestPolicy::Both, _) => tenant.algorithms.iter().any(|a| algorithm(*a) == *of),
        (DigestPolicy::Sha256Only, of) => of.hash() == Algorithm::Sha256,
        (DigestPolicy::Md5Only, of) => of.hash() == Algorithm::Md5,
    };
    let mut all = vec![Algorithm::Sha256, Algorithm::Md5];
    all.retain(|of| allowed(of) && known(of));
    all
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
    let key = match c.algorithm.has_session() {
        true => hash(&[ha1, ":", &c.nonce, ":", &c.cnonce]),
        false => ha1.to_owned(),
    };
    match c.qop.as_deref() {
        // A session key has a nonce of the client's, which comes with qop only.
        None if c.algorithm.has_session() => None,
        None => Some(hash(&[ha1, ":", &c.nonce, ":", ha2])),
        Some(qop) if qop.eq_ignore_ascii_case("auth") => Some(hash(&[
            &key,
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
#[must_use]
pub fn response(credentials: &Credentials, subscriber: &Subscriber) -> Option<String> {
    let Credentials { method, uri, .. } = credentials;
    match credentials.algorithm {
        Algorithm::Md5 | Algorithm::Md5Session => {
            let ha2 = hex(&md5(&[method, ":", uri]));
            let ha1 = hex(&subscriber.ha1_md5?.0);
            request_digest(credentials, &ha1, &ha2, |parts| hex(&md5(parts)))
        }
        Algorithm::Sha256 | Algorithm::Sha256Session => {
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
    let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + n - 10 };
    let mut text = vec![b'0'; 2 * bytes.len()];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    // Digits are text.
    String::from_utf8(text).unwrap_or_default()
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

    fn verify_one(credentials: &Credentials, subscriber: &Subscriber) -> Verdict {
        verify(credentials, subscriber, &testing::tenant(1, "http-auth@example.org"))
    }

    fn check(algorithm: Algorithm, response: &str, subscriber: &Subscriber) -> Verdict {
        verify_one(&mufasa(algorithm, response), subscriber)
    }

    const MD5_RESPONSE: &str = "8ca523f5e9506fed4657c9700eebdbec";
    const SHA256_RESPONSE: &str =
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";

    #[test]
    fn rfc_7616_vectors() {
        let both = subscriber(DigestPolicy::Both);
        assert_eq!(check(Algorithm::Md5, MD5_RESPONSE, &both), Verdict::Right);
        assert_eq!(check(Algorithm::Sha256, SHA256_RESPONSE, &both), Verdict::Right);
        let upper = MD5_RESPONSE.to_uppercase();
        assert_eq!(check(Algorithm::Md5, &upper, &both), Verdict::Right);
        assert_eq!(check(Algorithm::Md5, SHA256_RESPONSE, &both), Verdict::Wrong);
        assert_eq!(check(Algorithm::Sha256, MD5_RESPONSE, &both), Verdict::Wrong);
        assert_eq!(check(Algorithm::Md5, "", &both), Verdict::Wrong);
    }

    /// The same fields with a session key (RFC 7616 3.4.2), worked out with another library.
    #[test]
    fn a_session_key_is_made_of_the_secret_and_both_nonces() {
        use Algorithm::{Md5, Md5Session, Sha256, Sha256Session};
        const MD5_SESSION: &str = "e783283f46242139c486a698fec7211d";
        const SHA256_SESSION: &str =
            "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7";
        let both = subscriber(DigestPolicy::Both);
        assert_eq!(check(Md5Session, MD5_SESSION, &both), Verdict::Right);
        assert_eq!(check(Sha256Session, SHA256_SESSION, &both), Verdict::Right);
        assert_eq!(check(Md5Session, MD5_RESPONSE, &both), Verdict::Wrong);
        assert_eq!(check(Md5, MD5_SESSION, &both), Verdict::Wrong);
        assert_eq!(check(Sha256, SHA256_SESSION, &both), Verdict::Wrong);
        let strict = subscriber(DigestPolicy::Sha256Only);
        assert_eq!(check(Md5Session, MD5_SESSION, &strict), Verdict::Weak);
        assert_eq!(check(Sha256Session, SHA256_SESSION, &strict), Verdict::Right);
        // Without the client's nonce there is no key.
        let mut bare = mufasa(Md5Session, MD5_SESSION);
        bare.qop = None;
        assert_eq!(verify_one(&bare, &both), Verdict::Wrong);
    }

    /// RFC 2069 2.1.2 has no vector, so the formula is written out: MD5(HA1:nonce:HA2).
    #[test]
    fn without_qop() {
        let mut credentials = mufasa(Algorithm::Md5, "");
        credentials.qop = None;
        let ha1 = hex(&subscriber(DigestPolicy::Both).ha1_md5.unwrap().0);
        let ha2 = hex(&md5(&["GET:/dir/index.html"]));
        credentials.response = hex(&md5(&[&format!("{ha1}:{}:{ha2}", credentials.nonce)]));
        assert_eq!(verify_one(&credentials, &subscriber(DigestPolicy::Both)), Verdict::Right);
        credentials.qop = Some("auth".into());
        assert_eq!(verify_one(&credentials, &subscriber(DigestPolicy::Both)), Verdict::Wrong);
        credentials.qop = Some("auth-int".into());
        assert_eq!(verify_one(&credentials, &subscriber(DigestPolicy::Both)), Verdict::Wrong);
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
            let verdict = verify_one(&credentials, &subscriber(DigestPolicy::Both));
            assert_eq!(verdict, Verdict::Wrong, "edit {n}");
        }
    }

    #[test]
    fn policy_is_told_only_to_who_knows_the_password() {
        let strict = subscriber(DigestPolicy::Sha256Only);
        assert_eq!(check(Algorithm::Md5, MD5_RESPONSE, &strict), Verdict::Weak);
        let wrong = "00000000000000000000000000000000";
        assert_eq!(check(Algorithm::Md5, wrong, &strict), Verdict::Wrong);
        let old = subscriber(DigestPolicy::Md5Only);
        assert_eq!(check(Algorithm::Sha256, SHA256_RESPONSE, &old), Verdict::Weak);
    }

    /// Policy, tenant's list, stored secrets: what may be used, and what becomes of right answers.
    #[test]
    fn what_may_be_used_is_policy_tenant_and_secrets() {
        use Algorithm::{Md5, Sha256};
        use Verdict::{Right, Unknown, Weak, Wrong};
        let both = [DigestAlgorithm::Sha256, DigestAlgorithm::Md5].as_slice();
        let (md5, sha) = ([DigestAlgorithm::Md5], [DigestAlgorithm::Sha256]);
        let (yes, no) = (true, false);
        for (policy, list, (has_sha, has_md5), may, by_sha, by_md5) in [
            (DigestPolicy::Both, both, (yes, yes), vec![Sha256, Md5], Right, Right),
            (DigestPolicy::Both, both, (no, yes), vec![Md5], Unknown, Right),
            (DigestPolicy::Both, both, (yes, no), vec![Sha256], Right, Unknown),
            (DigestPolicy::Both, both, (no, no), vec![], Wrong, Wrong),
            (DigestPolicy::Both, &md5, (yes, yes), vec![Md5], Weak, Right),
            (DigestPolicy::Both, &sha, (yes, yes), vec![Sha256], Right, Weak),
            (DigestPolicy::Both, &sha, (no, yes), vec![], Wrong, Wrong),
            (DigestPolicy::Sha256Only, both, (yes, yes), vec![Sha256], Right, Weak),
            (DigestPolicy::Sha256Only, &md5, (yes, yes), vec![Sha256], Right, Weak),
            (DigestPolicy::Sha256Only, both, (no, yes), vec![], Wrong, Wrong),
            (DigestPolicy::Md5Only, both, (yes, yes), vec![Md5], Weak, Right),
            (DigestPolicy::Md5Only, both, (no, yes), vec![Md5], Unknown, Right),
            (DigestPolicy::Md5Only, &sha, (no, yes), vec![Md5], Unknown, Right),
        ] {
            let mut who = subscriber(policy);
            who.ha1_sha256 = who.ha1_sha256.filter(|_| has_sha);
            who.ha1_md5 = who.ha1_md5.filter(|_| has_md5);
            let mut tenant = testing::tenant(1, "http-auth@example.org");
            tenant.algorithms = list.to_vec();
            let row = format!("{policy:?} {list:?} {has_sha} {has_md5}");
            assert_eq!(algorithms(&who, &tenant), may, "{row}");
            let sha = verify(&mufasa(Sha256, SHA256_RESPONSE), &who, &tenant);
            assert_eq!(sha, by_sha, "SHA-256: {row}");
            assert_eq!(verify(&mufasa(Md5, MD5_RESPONSE), &who, &tenant), by_md5, "MD5: {row}");
        }
    }
}
