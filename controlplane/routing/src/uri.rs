//! SIP URIs as a registrar needs them: the comparison of RFC 3261 19.1.4, and the address in one.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use strowger_model::HostPort;

/// A SIP or SIPS URI, taken apart; texts are in the form that compares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SipUri {
    secure: bool,
    user: Option<String>,
    password: Option<String>,
    host: String,
    port: Option<u16>,
    // Names in lower case; values unescaped where that is equivalent, in lower case.
    params: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

/// Default port of SIP over UDP and TCP.
pub(crate) const SIP_PORT: u16 = 5060;
/// Default port of SIP over TLS.
pub(crate) const SIPS_PORT: u16 = 5061;

impl SipUri {
    /// Takes a URI apart; `None` when it is no SIP or SIPS URI.
    #[must_use]
    pub fn parse(text: &str) -> Option<SipUri> {
        let (scheme, rest) = text.split_once(':')?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "sip" => false,
            "sips" => true,
            _ => return None,
        };
        let (userinfo, rest) = match rest.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (rest, headers) = rest.split_once('?').unwrap_or((rest, ""));
        let (hostport, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = split_port(hostport)?;
        let (user, password) = match userinfo.map(|u| u.split_once(':').unwrap_or((u, ""))) {
            Some(("", _)) => return None,
            Some((user, password)) => {
                let has_password = userinfo.is_some_and(|u| u.contains(':'));
                (Some(unescape(user)), has_password.then(|| unescape(password)))
            }
            None => (None, None),
        };
        Some(SipUri {
            secure,
            user,
            password,
            host: host.to_ascii_lowercase(),
            port,
            params: pairs(params, ';'),
            headers: pairs(headers, '&'),
        })
    }

    /// It asks for TLS on the whole way (RFC 3261 26.2.2).
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host and its port, 0 when none is named.
    #[must_use]
    pub fn host_port(&self) -> HostPort {
        HostPort { name: self.host.clone(), port: self.port.unwrap_or_default() }
    }

    /// Its text as it may stand in a Request-URI: without method and header fields, which ask for
    /// more than where to call (RFC 3261 8.1.3.4, 19.1.5).
    #[must_use]
    pub fn without_headers(&self, text: &str) -> String {
        let bare = text.split('?').next().unwrap_or_default();
        let is_method = |part: &&str| {
            part.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case("method"))
        };
        let parts: Vec<&str> = bare.split(';').filter(|part| !is_method(part)).collect();
        parts.join(";")
    }

    /// The host, in lower case.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Whether two URIs mean the same resource.
    //= rfc3261#section-19.1.4
    //# For two URIs to be equal, the user, password, host, and port
    //# components must match.
    #[must_use]
    pub fn equivalent(&self, other: &SipUri) -> bool {
        self.secure == other.secure
            && self.user == other.user
            && self.password == other.password
            && self.host == other.host
            && self.port == other.port
            && self.params_match(other)
            && same_set(&self.headers, &other.headers)
    }

    fn params_match(&self, other: &SipUri) -> bool {
        self.params.iter().all(|(name, value)| other.accepts(name, value))
            && other.params.iter().all(|(name, value)| self.accepts(name, value))
    }

    /// A parameter in both must be equal; some in only one are a difference, others are ignored.
    fn accepts(&self, name: &str, value: &str) -> bool {
        match self.params.iter().find(|(n, _)| n == name) {
            Some((_, ours)) => ours == value,
            None => !matches!(name, "transport" | "user" | "ttl" | "method" | "maddr"),
        }
    }

    /// The address in it, with the scheme's default port, when the host is one. An IPv4-mapped
    /// address is the IPv4 one.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        let ip = match self.host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().ok()?.into(),
            None => self.host.parse::<IpAddr>().ok()?,
        };
        let default = if self.secure { SIPS_PORT } else { SIP_PORT };
        Some(SocketAddr::new(ip.to_canonical(), self.port.unwrap_or(default)))
    }

    /// A parameter's value in the form that compares; empty when it has none.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The user part, unescaped.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
}

fn split_port(hostport: &str) -> Option<(&str, Option<u16>)> {
    let after_bracket = hostport.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match hostport.get(after_bracket..)?.find(':') {
        Some(colon) => {
            let (host, port) = hostport.split_at_checked(after_bracket + colon)?;
            (host, Some(port.strip_prefix(':')?.parse().ok()?))
        }
        None => (hostport, None),
    };
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
    (!host.is_empty() && host.bytes().all(is_host)).then_some((host, port))
}

fn pairs(text: &str, separator: char) -> Vec<(String, String)> {
    text.split(separator)
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (unescape(name).to_lowercase(), unescape(value).to_lowercase()))
        .collect()
}

fn same_set(a: &[(String, String)], b: &[(String, String)]) -> bool {
    a.len() == b.len() && a.iter().all(|x| b.contains(x)) && b.iter().all(|x| a.contains(x))
}

/// Undoes the escapes that change nothing.
//= rfc3261#section-19.1.4
//# Characters other than those in the "reserved" set (see RFC 2396
//# [5]) are equivalent to their ""%" HEX HEX" encoding.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = if *first == b'%' { hex_pair(tail) } else { None };
        match escaped {
            Some(byte) if b";/?:@&=+$,%".contains(&byte) => {
                bytes.extend_from_slice(format!("%{byte:02X}").as_bytes());
                rest = tail.get(2..).unwrap_or_default();
            }
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    match bytes {
        [high, low, ..] => Some(digit(*high)? << 4 | digit(*low)?),
        [] | [_] => None,
    }
}

/// The value of a parameter in `;name=value;name="quoted"` as it stands behind a Contact.
#[must_use]
pub(crate) fn parameter<'a>(params: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = params;
    while !rest.is_empty() {
        let end = end_of_parameter(rest);
        let (this, tail) = rest.split_at_checked(end)?;
        let (key, value) = this.split_once('=').unwrap_or((this, ""));
        if key.trim().eq_ignore_ascii_case(name) {
            let value = value.trim();
            let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            return Some(bare.unwrap_or(value));
        }
        rest = tail.strip_prefix(';').unwrap_or_default();
    }
    None
}

/// Where the first `;` outside of quotes stands, or the end.
fn end_of_parameter(text: &str) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// Escapes what may not stand in the user part of a SIP URI (RFC 3261 25.1, `user`).
#[must_use]
pub(crate) fn escape_user(user: &str) -> String {
    let mut escaped = String::with_capacity(user.len());
    push_user(&mut escaped, user);
    escaped
}

/// Writes a user part as [`escape_user`] does.
pub(crate) fn push_user(out: &mut String, user: &str) {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(b);
    // Most are numbers, which are as they were.
    if user.as_bytes().iter().all(plain) {
        out.push_str(user);
        return;
    }
    let digit = |n: u8| char::from(if n < 10 { b'0' + n } else { b'A' + n - 10 });
    for byte in user.bytes() {
        if plain(&byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// A transport address as its `Display` says it, without the machinery of that where it is of IPv4.
pub(crate) fn address_text(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else { return address.to_string() };
    let mut text = String::with_capacity(ADDRESS_USUAL);
    let [a, b, c, d] = address.ip().octets();
    for (octet, behind) in [(a, '.'), (b, '.'), (c, '.'), (d, ':')] {
        push_number(&mut text, octet.into());
        text.push(behind);
    }
    push_number(&mut text, address.port());
    text
}

/// Bytes that an address of IPv4 and its port take at most.
const ADDRESS_USUAL: usize = 21;

fn push_number(out: &mut String, number: u16) {
    let digit = |n: u16| char::from(b'0' + (n % 10) as u8);
    if number >= 10_000 {
        out.push(digit(number / 10_000));
    }
    if number >= 1_000 {
        out.push(digit(number / 1_000));
    }
    if number >= 100 {
        out.push(digit(number / 100));
    }
    if number >= 10 {
        out.push(digit(number / 10));
    }
    out.push(digit(number));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_addresses_are_written_as_they_are_read() {
        for (user, expect) in [("+44*#1", "+44*%231"), ("a b@c", "a%20b%40c"), ("ü", "%C3%BC")] {
            assert_eq!(escape_user(user), expect);
        }
        for text in ["0.0.0.0:0", "192.0.2.250:5060", "10.100.9.99:65535", "[2001:db8::1]:5061"] {
            assert_eq!(address_text(text.parse().unwrap()), text);
        }
    }

    fn check(a: &str, b: &str, expect: bool) {
        let (x, y) = (SipUri::parse(a).unwrap(), SipUri::parse(b).unwrap());
        assert_eq!(x.equivalent(&y), expect, "{a} {b}");
        assert_eq!(y.equivalent(&x), expect, "{b} {a}");
    }

    /// The sets of RFC 3261 19.1.4.
    #[test]
    fn rfc_3261_examples() {
        check("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true);
        check("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true);
        check("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true);
        check(
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            true,
        );
        check(
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            true,
        );
        check("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false);
        check("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false);
        check("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false);
        check("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false);
        check("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false);
        check("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false);
        check("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false);
        check("sip:a@b.c", "sips:a@b.c", false);
        check("sip:a@b.c", "sip:b.c", false);
        check("sip:a:x@b.c", "sip:a@b.c", false);
        check("sip:a%3Bb@b.c", "sip:a;b@b.c", false);
    }

    #[test]
    fn addresses() {
        for (uri, expect) in [
            ("sip:1001@10.0.0.1", Some("10.0.0.1:5060")),
            ("sip:1001@10.0.0.1:5070;ob", Some("10.0.0.1:5070")),
            ("sips:1001@10.0.0.1", Some("10.0.0.1:5061")),
            ("sip:[2001:db8::1]", Some("[2001:db8::1]:5060")),
            ("sip:x@[2001:db8::1]:5080", Some("[2001:db8::1]:5080")),
            ("sip:1001@phone.example", None),
        ] {
            let expect = expect.map(|text| text.parse().unwrap());
            assert_eq!(SipUri::parse(uri).unwrap().address(), expect, "{uri}");
        }
        for bad in ["tel:+44", "sip:", "sip:@h", "", "1001", "sip:a@h:99999", "sip:a@h x", "sip:a@"]
        {
            assert_eq!(SipUri::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn parameters() {
        let text = ";+sip.instance=\"<urn:uuid:1;2\\\"3>\";reg-id=1;ob";
        assert_eq!(parameter(text, "+sip.instance"), Some("<urn:uuid:1;2\\\"3>"));
        assert_eq!(parameter(text, "REG-ID"), Some("1"));
        assert_eq!(parameter(text, "ob"), Some(""));
        assert_eq!(parameter(text, "q"), None);
        assert_eq!(parameter("", "q"), None);
        assert_eq!(escape_user("*43#"), "*43%23");
        assert_eq!(escape_user("a b@\u{e4}"), "a%20b%40%C3%A4");
    }
}
