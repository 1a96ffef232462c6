//! What a carrier asks of whoever calls it or registers with it: a registrar and a challenger in
//! front of a phone (RFC 3261 10.3, 22). Each nonce is good for one request, so every request of a
//! dialog is challenged anew.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::digest::{Algorithm, Challenge, Credentials};
use crate::message::{Message, address_uri, param};

/// Realm of the challenges.
pub const REALM: &str = "carrier.test";

/// How it asks.
#[derive(Debug, Clone)]
pub struct Gate {
    /// User name that is let in.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Algorithms of the challenges, the first on top.
    pub algorithms: Vec<Algorithm>,
    /// Also requests of calls must show credentials: 407.
    pub guards_calls: bool,
    /// Longest lifetime granted to a contact, seconds.
    pub expires_s_max: u32,
    /// Shorter wishes are answered 423.
    pub expires_s_min: u32,
    /// REGISTER is not answered.
    pub silent: bool,
    /// REGISTER is answered so, whatever it brings.
    pub refuses: Option<u16>,
}

impl Gate {
    /// A registrar that lets one user in and guards its calls too.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Gate {
        Gate {
            user: user.to_owned(),
            password: password.to_owned(),
            algorithms: vec![Algorithm::Md5, Algorithm::Sha256],
            guards_calls: true,
            expires_s_max: 3_600,
            expires_s_min: 0,
            silent: false,
            refuses: None,
        }
    }
}

/// A contact that was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The Contact URI.
    pub contact: String,
    /// Lifetime granted last, seconds.
    pub expires_s: u32,
    /// Call-ID and CSeq of the last REGISTER.
    pub register: (String, u32),
    /// When it ends.
    pub until: Instant,
}

/// Most nonces that wait for their answers.
const NONCES_MAX: usize = 8;

/// A gate and what it saw.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) gate: Gate,
    pub(crate) bound: Option<Bound>,
    /// Challenges, requests let in, and wrong answers, by method.
    pub(crate) challenged: BTreeMap<String, u32>,
    pub(crate) admitted: BTreeMap<String, u32>,
    pub(crate) wrong: BTreeMap<String, u32>,
    /// Nonces that nobody has answered yet, the newest last: requests may be under way at a time.
    pub(crate) nonces: VecDeque<String>,
    pub(crate) count: u64,
}

/// What becomes of a request.
pub(crate) enum Verdict {
    /// It is the phone's.
    Pass,
    /// Nothing is said.
    Drop,
    /// It is answered so.
    Answer(u16, Vec<(&'static str, String)>),
}

impl Guard {
    pub(crate) fn new(gate: Gate) -> Guard {
        Guard {
            gate,
            bound: None,
            challenged: BTreeMap::new(),
            admitted: BTreeMap::new(),
            wrong: BTreeMap::new(),
            nonces: VecDeque::new(),
            count: 0,
        }
    }

    pub(crate) fn judge(&mut self, request: &Message) -> Verdict {
        let method = request.method().to_owned();
        match method.as_str() {
            "REGISTER" if self.gate.silent => Verdict::Drop,
            "REGISTER" => {
                if let Some(code) = self.gate.refuses {
                    return Verdict::Answer(code, Vec::new());
                }
                if self.is_known(request, "Authorization") {
                    return self.register(request);
                }
                self.challenge(&method, 401, "WWW-Authenticate")
            }
            "INVITE" | "BYE" | "INFO" | "UPDATE" if self.gate.guards_calls => {
                if self.is_known(request, "Proxy-Authorization") {
                    return Verdict::Pass;
                }
                self.challenge(&method, 407, "Proxy-Authenticate")
            }
            // ACK and CANCEL cannot be challenged (22.1).
            _ => Verdict::Pass,
        }
    }

    fn is_known(&mut self, request: &Message, header: &str) -> bool {
        let method = request.method().to_owned();
        let values = request.lines(header);
        let mut shown = values.into_iter().filter_map(Credentials::parse);
        let Some(shown) = shown.find(|c| self.nonces.contains(&c.nonce)) else {
            return false;
        };
        // Good once, right or wrong.
        self.nonces.retain(|nonce| *nonce != shown.nonce);
        let right = shown.user == self.gate.user && shown.verify(&method, &self.gate.password);
        let counts = if right { &mut self.admitted } else { &mut self.wrong };
        *counts.entry(method).or_default() += 1;
        right
    }

    fn challenge(&mut self, method: &str, code: u16, header: &'static str) -> Verdict {
        self.count += 1;
        *self.challenged.entry(method.to_owned()).or_default() += 1;
        let nonce = format!("nonce{}", self.count);
        self.nonces.push_back(nonce.clone());
        if self.nonces.len() > NONCES_MAX {
            self.nonces.pop_front();
        }
        let value = |algorithm: &Algorithm| {
            let challenge = Challenge {
                realm: REALM.to_owned(),
                nonce: nonce.clone(),
                opaque: Some("o".to_owned()),
                algorithm: *algorithm,
                qop_auth: true,
                stale: false,
            };
            (header, challenge.to_value())
        };
        Verdict::Answer(code, self.gate.algorithms.iter().map(value).collect())
    }

    fn register(&mut self, request: &Message) -> Verdict {
        let contact = request.header("Contact").unwrap_or_default();
        let wish = param(contact, "expires").or_else(|| request.header("Expires"));
        let wish: u32 = wish.and_then(|text| text.trim().parse().ok()).unwrap_or(3_600);
        if wish == 0 {
            self.bound = None;
            return Verdict::Answer(200, Vec::new());
        }
        if wish < self.gate.expires_s_min {
            let least = self.gate.expires_s_min.to_string();
            return Verdict::Answer(423, vec![("Min-Expires", least)]);
        }
        let expires_s = wish.min(self.gate.expires_s_max);
        let uri = address_uri(contact).to_owned();
        let call_id = request.header("Call-ID").unwrap_or_default().to_owned();
        let cseq = request.cseq().map_or(0, |(number, _)| number);
        self.bound = Some(Bound {
            contact: uri.clone(),
            expires_s,
            register: (call_id, cseq),
            until: Instant::now() + Duration::from_secs(expires_s.into()),
        });
        Verdict::Answer(200, vec![("Contact", format!("<{uri}>;expires={expires_s}"))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Secret, Use};

    fn request(method: &str, extra: &[(&str, &str)]) -> Message {
        let mut request = Message::request(method, "sip:carrier.test");
        request.push("CSeq", &format!("1 {method}"));
        request.push("Call-ID", "c");
        request.push("Contact", "<sip:us@127.0.0.1:5060>");
        for (name, value) in extra {
            request.push(name, value);
        }
        request
    }

    fn answer(guard: &mut Guard, request: &Message) -> (u16, Vec<(&'static str, String)>) {
        match guard.judge(request) {
            Verdict::Answer(code, headers) => (code, headers),
            Verdict::Pass => (0, Vec::new()),
            Verdict::Drop => (1, Vec::new()),
        }
    }

    fn shown(challenge: &str, password: &str) -> String {
        let challenge = Challenge::parse(challenge).unwrap();
        let used = Use { method: "REGISTER", uri: "sip:carrier.test", count: 1, cnonce: "c" };
        challenge.authorization(Secret { user: "us", password }, used)
    }

    #[test]
    fn it_lets_in_who_knows_the_password_once_a_nonce() {
        let mut guard = Guard::new(Gate::new("us", "pw"));
        let (code, asked) = answer(&mut guard, &request("REGISTER", &[]));
        assert_eq!((code, asked.len()), (401, 2));
        let good = shown(&asked[0].1, "pw");
        let register = request("REGISTER", &[("Authorization", &good), ("Expires", "9999")]);
        let (code, headers) = answer(&mut guard, &register);
        assert_eq!((code, headers[0].1.as_str()), (200, "<sip:us@127.0.0.1:5060>;expires=3600"));
        let (code, asked) = answer(&mut guard, &register);
        assert_eq!(code, 401, "a nonce is good for one request");
        let wrong = shown(&asked[0].1, "no");
        let wrong = request("REGISTER", &[("Authorization", &wrong)]);
        assert_eq!(answer(&mut guard, &wrong).0, 401);
        assert_eq!((guard.admitted["REGISTER"], guard.wrong["REGISTER"]), (1, 1));
        assert_eq!(answer(&mut guard, &request("INVITE", &[])).0, 407);
        assert_eq!(answer(&mut guard, &request("ACK", &[])).0, 0);
    }

    #[test]
    fn it_shortens_refuses_the_short_and_forgets() {
        let gate = Gate { expires_s_max: 60, expires_s_min: 30, ..Gate::new("us", "pw") };
        let mut guard = Guard::new(gate);
        let mut register = |expires: &str| {
            let (_, asked) = answer(&mut guard, &request("REGISTER", &[]));
            let good = shown(&asked[0].1, "pw");
            let sent = request("REGISTER", &[("Authorization", &good), ("Expires", expires)]);
            let (code, _) = answer(&mut guard, &sent);
            (code, guard.bound.as_ref().map(|bound| bound.expires_s))
        };
        assert_eq!(register("600"), (200, Some(60)));
        assert_eq!(register("10"), (423, Some(60)));
        assert_eq!(register("0"), (200, None));
    }
}
