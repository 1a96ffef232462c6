//! Attributes, typed where a switch needs them.
//!
//! An attribute that cannot be read is kept in the description like any unknown line and simply
//! has no typed value.

use crate::description::Host;
use crate::text::{fields, number, split_once};

/// An `a=` line: a property (no value) or a value attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    /// The name, before the colon.
    pub name: &'a [u8],
    /// The value, after the colon; `None` without colon.
    pub value: Option<&'a [u8]>,
}

impl<'a> Attribute<'a> {
    /// Reads what follows `a=`.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Attribute<'a> {
        match split_once(text, b':') {
            Some((name, value)) => Attribute { name, value: Some(value) },
            None => Attribute { name: text, value: None },
        }
    }

    /// Whether the attribute has this name. Names are compared without regard to case: the RFC
    /// says otherwise, and no two names differ in case only.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// `a=rtpmap`: the encoding of a payload type, RFC 8866 section 6.6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtpMap<'a> {
    /// The payload type, 0-127.
    pub payload_type: u8,
    /// The encoding's name; compared without regard to case.
    pub encoding: &'a [u8],
    /// The clock of its timestamps, in Hz.
    pub clock_hz: u32,
    /// Audio channels, 1 unless given.
    pub channels: u8,
}

impl<'a> RtpMap<'a> {
    /// Reads `PT NAME/CLOCK[/CHANNELS]`.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<RtpMap<'a>> {
        let mut words = fields(value);
        let payload_type = number(words.next()?).filter(|payload_type| *payload_type < 128)?;
        let mut parts = words.next()?.split(|octet| *octet == b'/');
        let encoding = parts.next().filter(|encoding| !encoding.is_empty())?;
        let clock_hz = number(parts.next()?).filter(|clock_hz| *clock_hz > 0)?;
        let channels = parts.next().map_or(Some(1), number)?;
        Some(RtpMap { payload_type, encoding, clock_hz, channels })
    }

    /// Whether this is RFC 4733 telephone-event.
    #[must_use]
    pub fn is_telephone_event(&self) -> bool {
        self.encoding.eq_ignore_ascii_case(b"telephone-event")
    }
}

/// `a=fmtp`: parameters of a format, RFC 8866 section 6.15.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fmtp<'a> {
    /// The format: a payload type as text, or another token.
    pub format: &'a [u8],
    /// Its parameters, as they stand.
    pub parameters: &'a [u8],
}

impl<'a> Fmtp<'a> {
    /// Reads `FORMAT PARAMETERS`.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Fmtp<'a>> {
        let (format, parameters) = split_once(value, b' ')?;
        Some(Fmtp { format, parameters: parameters.trim_ascii() })
    }
}

/// `a=rtcp`: where RTCP goes, RFC 3605.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rtcp<'a> {
    /// The port.
    pub port: u16,
    /// The address, if it is not the one of `c=`.
    pub host: Option<Host<'a>>,
}

impl<'a> Rtcp<'a> {
    /// Reads `PORT [IN FAMILY ADDRESS]`.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Rtcp<'a>> {
        let (port, host) = split_once(value, b' ').unwrap_or((value, b""));
        let host = match host.trim_ascii() {
            [] => None,
            host => Some(Host::parse(host)?),
        };
        Some(Rtcp { port: number(port).filter(|port| *port != 0)?, host })
    }
}

/// `a=crypto`: keys of SRTP by description, RFC 4568 section 9.1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Crypto<'a> {
    /// Number of the attribute within the media line.
    pub tag: u32,
    /// Cipher and authentication, e.g. `AES_CM_128_HMAC_SHA1_80`.
    pub suite: &'a [u8],
    /// `inline:` and the key with its salt, lifetime and MKI, as they stand. Secret.
    pub keys: &'a [u8],
    /// Session parameters, as they stand.
    pub parameters: &'a [u8],
}

impl<'a> Crypto<'a> {
    /// Reads `TAG SUITE KEYS [PARAMETERS]`.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Crypto<'a>> {
        let (tag, rest) = split_once(value, b' ')?;
        let (suite, rest) = split_once(rest.trim_ascii_start(), b' ')?;
        let rest = rest.trim_ascii_start();
        let (keys, parameters) = split_once(rest, b' ').unwrap_or((rest, b""));
        let known = !suite.is_empty() && keys.starts_with(b"inline:");
        known.then_some(())?;
        Some(Crypto { tag: number(tag)?, suite, keys, parameters })
    }

    /// The key with its salt, in base64. `None` of what we do not speak: several keys, key
    /// identifiers in packets, and session parameters, which say less protection, but for the
    /// hint of a window (RFC 4568 section 6.3). A lifetime is longer than any call.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        let mut parameters = fields(self.parameters);
        if parameters.any(|parameter| !parameter.starts_with(b"WSH=")) {
            return None;
        }
        let inline = self.keys.get(b"inline:".len()..)?;
        let mut parts = inline.split(|octet| *octet == b'|');
        let key = parts.next()?;
        let is_plain = parts.all(|part| !part.contains(&b':')) && !inline.contains(&b';');
        is_plain.then_some(key)
    }
}

/// `a=setup`: who begins an association (RFC 4145 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setup {
    /// The party does.
    Active,
    /// We do.
    Passive,
    /// Whoever answers may choose.
    ActPass,
    /// Nobody, for now.
    HoldConn,
}

impl Setup {
    /// Reads a role.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Setup> {
        const KNOWN: [(&str, Setup); 4] = [
            ("active", Setup::Active),
            ("passive", Setup::Passive),
            ("actpass", Setup::ActPass),
            ("holdconn", Setup::HoldConn),
        ];
        let value = value.trim_ascii();
        let found = KNOWN.iter().find(|(name, _)| value.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, setup)| *setup)
    }
}

impl std::fmt::Debug for Crypto<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crypto").field("tag", &self.tag).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Attribute, Crypto, Fmtp, Rtcp, RtpMap};
    use crate::description::Host;

    #[test]
    fn properties_and_values() {
        let property = Attribute::parse(b"rtcp-mux");
        assert!(property.is("RTCP-mux") && property.value.is_none());
        let value = Attribute::parse(b"candidate:1 1 UDP a:b");
        assert!(value.is("candidate") && !value.is("candidat"));
        assert_eq!(value.value, Some(&b"1 1 UDP a:b"[..]));
        assert_eq!(Attribute::parse(b":").value, Some(&b""[..]));
    }

    #[test]
    fn rtpmaps() {
        let map = |text: &'static str| {
            let map = RtpMap::parse(text.as_bytes())?;
            Some((map.payload_type, map.encoding, map.clock_hz, map.channels))
        };
        assert_eq!(map("0 PCMU/8000"), Some((0, &b"PCMU"[..], 8000, 1)));
        assert_eq!(map("111 opus/48000/2"), Some((111, &b"opus"[..], 48_000, 2)));
        assert_eq!(map("  96   H264/90000 "), Some((96, &b"H264"[..], 90_000, 1)));
        for bad in ["", "0", "128 X/8000", "0 X", "0 X/", "0 X/0", "0 /8000", "0 X/8000/y", "x X/1"]
        {
            assert_eq!(map(bad), None, "{bad}");
        }
        assert!(RtpMap::parse(b"101 Telephone-Event/8000").unwrap().is_telephone_event());
    }

    #[test]
    fn fmtps() {
        let fmtp = Fmtp::parse(b"101 0-15,  x ").unwrap();
        assert_eq!((fmtp.format, fmtp.parameters), (&b"101"[..], &b"0-15,  x"[..]));
        assert_eq!(Fmtp::parse(b"101"), None);
    }

    #[test]
    fn rtcp_with_and_without_address() {
        let port_only = Rtcp { port: 53020, host: None };
        assert_eq!(Rtcp::parse(b"53020"), Some(port_only));
        assert_eq!(Rtcp::parse(b"53020 "), Some(port_only));
        let v6 = Rtcp::parse(b"53020 IN IP6 2001:db8::9").unwrap();
        assert_eq!(v6.host, Some(Host::Ip("2001:db8::9".parse().unwrap())));
        for bad in [&b""[..], b"0", b"65536", b"1 IN IP4", b"1 IN IP4 192.0.2.1 x", b"1 XX IP4 a"] {
            assert_eq!(Rtcp::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn crypto_shows_its_key_to_no_log() {
        let text = b"1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        let crypto = Crypto::parse(text).unwrap();
        assert_eq!((crypto.tag, crypto.suite), (1, &b"AES_CM_128_HMAC_SHA1_80"[..]));
        assert!(crypto.keys.ends_with(b"JSoj") && crypto.parameters.is_empty());
        assert_eq!(format!("{crypto:?}"), "Crypto { tag: 1, .. }");
        for (text, key) in [
            ("1 X inline:abc=", Some("abc=")),
            ("1 X inline:abc|2^20", Some("abc")),
            ("1 X inline:abc WSH=64", Some("abc")),
            ("1 X inline:abc|2^20|1:4", None),
            ("1 X inline:abc|1:4", None),
            ("1 X inline:abc;inline:def", None),
            ("1 X inline:abc UNENCRYPTED_SRTP", None),
            ("1 X inline:abc WSH=64 KDR=1", None),
        ] {
            let crypto = Crypto::parse(text.as_bytes()).unwrap();
            assert_eq!(crypto.key(), key.map(str::as_bytes), "{text}");
        }
        let more = Crypto::parse(b"2 F8_128 inline:a|2^20|1:4 KDR=1 UNENCRYPTED_SRTCP").unwrap();
        assert_eq!(more.parameters, b"KDR=1 UNENCRYPTED_SRTCP");
        for bad in [&b""[..], b"1 X", b"x X inline:y", b"1 X uri:y"] {
            assert!(Crypto::parse(bad).is_none(), "{bad:?}");
        }
    }
}
