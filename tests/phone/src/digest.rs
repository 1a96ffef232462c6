//! HTTP digest for SIP: challenges, credentials and their check (RFC 3261 22, RFC 7616, RFC 8760),
//! with MD5 and SHA-256, qop `auth` or none.

use std::fmt::Write as _;

use md5::Digest as _;

use crate::message::split_commas;

/// A digest algorithm that this phone knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `MD5`, also meant when a challenge names none.
    Md5,
    /// `SHA-256` (RFC 8760).
    Sha256,
}

/// What a server asks for in `WWW-Authenticate` or `Proxy-Authenticate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Protection domain.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// To be sent back as it came.
    pub opaque: Option<String>,
    /// How to hash.
    pub algorithm: Algorithm,
    /// True when qop lists `auth`; false when there is no qop (RFC 2069 style).
    pub qop_auth: bool,
    /// The nonce was too old, the password was right.
    pub stale: bool,
}

/// Who asks: decides name and hash of the answer.
#[derive(Debug, Clone, Copy)]
pub struct Secret<'a> {
    /// Digest user name.
    pub user: &'a str,
    /// Clear-text password.
    pub password: &'a str,
}

/// One use of a nonce.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// Method of the request.
    pub method: &'a str,
    /// `uri` parameter, the Request-URI.
    pub uri: &'a str,
    /// Nonce count, from 1.
    pub count: u32,
    /// The client's nonce.
    pub cnonce: &'a str,
}

impl Algorithm {
    /// As the headers spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// Reads `MD5` or `SHA-256`; the `-sess` forms are not known to this phone.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256].into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// Hash in lower-case hexadecimal digits.
    #[must_use]
    pub fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&md5::Md5::digest(text.as_bytes())),
            Self::Sha256 => hex(&sha2::Sha256::digest(text.as_bytes())),
        }
    }
}

impl Challenge {
    /// Reads the value of one challenge header. `None` for other schemes, unknown algorithms, a qop
    /// without `auth`, or a missing realm or nonce.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let parts = Parts::parse(value)?;
        let qop = parts.take("qop");
        let qop_auth = match &qop {
            Some(list) => list.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")),
            None => false,
        };
        if qop.is_some() && !qop_auth {
            return None;
        }
        Some(Self {
            realm: parts.take("realm")?,
            nonce: parts.take("nonce")?,
            opaque: parts.take("opaque"),
            algorithm: match parts.take("algorithm") {
                Some(name) => Algorithm::parse(&name)?,
                None => Algorithm::Md5,
            },
            qop_auth,
            stale: parts.take("stale").is_some_and(|s| s.eq_ignore_ascii_case("true")),
        })
    }

    /// The value of a challenge header, for test servers.
    #[must_use]
    pub fn to_value(&self) -> String {
        let mut value = format!(
            "Digest realm=\"{}\", nonce=\"{}\", algorithm={}",
            escape(&self.realm),
            escape(&self.nonce),
            self.algorithm.name()
        );
        if let Some(opaque) = &self.opaque {
            let _ = write!(value, ", opaque=\"{}\"", escape(opaque));
        }
        if self.qop_auth {
            value.push_str(", qop=\"auth\"");
        }
        if self.stale {
            value.push_str(", stale=true");
        }
        value
    }

    /// The `response` digits (RFC 7616 3.4.1).
    #[must_use]
    pub fn response(&self, secret: Secret<'_>, used: Use<'_>) -> String {
        let hash = |text: &str| self.algorithm.hash(text);
        let ha1 = hash(&format!("{}:{}:{}", secret.user, self.realm, secret.password));
        let ha2 = hash(&format!("{}:{}", used.method, used.uri));
        if !self.qop_auth {
            return hash(&format!("{ha1}:{}:{ha2}", self.nonce));
        }
        let middle = format!("{}:{:08x}:{}:auth", self.nonce, used.count, used.cnonce);
        hash(&format!("{ha1}:{middle}:{ha2}"))
    }

    /// The value of `Authorization` or `Proxy-Authorization`.
    #[must_use]
    pub fn authorization(&self, secret: Secret<'_>, used: Use<'_>) -> String {
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{}\", \
             algorithm={}",
            escape(secret.user),
            escape(&self.realm),
            escape(&self.nonce),
            escape(used.uri),
            self.response(secret, used),
            self.algorithm.name()
        );
        if self.qop_auth {
            let (count, cnonce) = (used.count, escape(used.cnonce));
            let _ = write!(value, ", qop=auth, nc={count:08x}, cnonce=\"{cnonce}\"");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(value, ", opaque=\"{}\"", escape(opaque));
        }
        value
    }
}

/// Credentials that a client sent, for test servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Digest user name.
    pub user: String,
    /// Nonce they answer.
    pub nonce: String,
    /// Nonce count; 0 without qop.
    pub count: u32,
    cnonce: String,
    uri: String,
    response: String,
    realm: String,
    algorithm: Algorithm,
    qop_auth: bool,
}

impl Credentials {
    /// Reads the value of `Authorization` or `Proxy-Authorization`.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let parts = Parts::parse(value)?;
        let qop = parts.take("qop");
        Some(Self {
            user: parts.take("username")?,
            nonce: parts.take("nonce")?,
            count: match parts.take("nc") {
                Some(count) => u32::from_str_radix(&count, 16).ok()?,
                None => 0,
            },
            cnonce: parts.take("cnonce").unwrap_or_default(),
            uri: parts.take("uri")?,
            response: parts.take("response")?,
            realm: parts.take("realm")?,
            algorithm: match parts.take("algorithm") {
                Some(name) => Algorithm::parse(&name)?,
                None => Algorithm::Md5,
            },
            qop_auth: qop.is_some_and(|q| q.eq_ignore_ascii_case("auth")),
        })
    }

    /// True when the response follows from `password`.
    #[must_use]
    pub fn verify(&self, method: &str, password: &str) -> bool {
        let challenge = Challenge {
            realm: self.realm.clone(),
            nonce: self.nonce.clone(),
            opaque: None,
            algorithm: self.algorithm,
            qop_auth: self.qop_auth,
            stale: false,
        };
        let secret = Secret { user: &self.user, password };
        let used = Use { method, uri: &self.uri, count: self.count, cnonce: &self.cnonce };
        challenge.response(secret, used) == self.response
    }
}

/// The `name=value` parts of a `Digest` header.
struct Parts(Vec<(String, String)>);

impl Parts {
    fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let mut parts = Vec::new();
        for part in split_commas(rest) {
            let (name, value) = part.split_once('=')?;
            parts.push((name.trim().to_ascii_lowercase(), unquote(value.trim())));
        }
        Some(Self(parts))
    }

    fn take(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone())
    }
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let (mut text, mut escaped) = (String::with_capacity(inner.len()), false);
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        text.push(c);
    }
    text
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 2617 section 3.5.
    #[test]
    fn the_example_of_rfc_2617() {
        let challenge = Challenge::parse(
            "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        )
        .unwrap();
        let secret = Secret { user: "Mufasa", password: "Circle Of Life" };
        let used = Use { method: "GET", uri: "/dir/index.html", count: 1, cnonce: "0a4f113b" };
        assert_eq!(challenge.response(secret, used), "6629fae49393a05397450978507c4ef1");
    }

    // RFC 7616 section 3.9.1.
    #[test]
    fn the_examples_of_rfc_7616() {
        let check = |algorithm: &str, expect: &str| {
            let challenge = Challenge::parse(&format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                 algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            ))
            .unwrap();
            let secret = Secret { user: "Mufasa", password: "Circle of Life" };
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let used = Use { method: "GET", uri: "/dir/index.html", count: 1, cnonce };
            assert_eq!(challenge.response(secret, used), expect);
        };
        check("MD5", "8ca523f5e9506fed4657c9700eebdbec");
        let sha = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        check("SHA-256", sha);
    }

    #[test]
    fn credentials_verify_only_with_the_right_password_method_and_count() {
        let challenge = Challenge {
            realm: "a \"b\" \\ c".into(),
            nonce: "n".into(),
            opaque: Some("o".into()),
            algorithm: Algorithm::Sha256,
            qop_auth: true,
            stale: true,
        };
        assert_eq!(Challenge::parse(&challenge.to_value()).as_ref(), Some(&challenge));
        let secret = Secret { user: "1001", password: "pw" };
        let used = Use { method: "REGISTER", uri: "sip:x", count: 10, cnonce: "c" };
        let value = challenge.authorization(secret, used);
        let credentials = Credentials::parse(&value).unwrap();
        assert_eq!(credentials.count, 10);
        assert!(credentials.verify("REGISTER", "pw"));
        assert!(!credentials.verify("REGISTER", "pW"));
        assert!(!credentials.verify("INVITE", "pw"));
        let other = Credentials::parse(&value.replace("0000000a", "0000000b")).unwrap();
        assert!(!other.verify("REGISTER", "pw"));
    }

    #[test]
    fn without_qop_the_old_formula_counts() {
        let challenge = Challenge::parse("Digest realm=\"r\", nonce=\"n\"").unwrap();
        let secret = Secret { user: "u", password: "p" };
        let used = Use { method: "M", uri: "x", count: 1, cnonce: "c" };
        let md5 = |text: &str| Algorithm::Md5.hash(text);
        let expect = md5(&format!("{}:n:{}", md5("u:r:p"), md5("M:x")));
        assert_eq!(challenge.response(secret, used), expect);
        assert!(!challenge.authorization(secret, used).contains("nc="));
    }

    #[test]
    fn challenges_that_the_phone_cannot_answer_are_refused() {
        for value in [
            "Basic realm=\"r\"",
            "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256",
            "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"",
            "Digest realm=\"r\"",
            "Digest",
        ] {
            assert_eq!(Challenge::parse(value), None, "{value}");
        }
    }
}
