//! A description that is passed on while its media is not: only what nobody outside could reach is
//! changed.

use crate::attribute::{Attribute, Rtcp};
use crate::description::{Description, Host};
use crate::line::Line;
use crate::session::family;
use crate::text::append;
use std::net::IpAddr;

impl Description<'_> {
    /// The body with `address` in place of each address of `c=` and `a=rtcp` that `is_lost`; every
    /// other byte as it stands. `None` when there is nothing to change.
    ///
    /// `o=` names a session, not a way, and candidates of ICE are found out by those who use them.
    #[must_use]
    pub fn with_address(
        &self,
        address: IpAddr,
        is_lost: impl Fn(IpAddr) -> bool,
    ) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut is_changed = false;
        let media = self.media();
        let lines = media.flat_map(|media| media.lines().iter());
        for line in self.session_lines().iter().chain(lines) {
            match replaced(line, &is_lost) {
                Some(head) => {
                    is_changed = true;
                    out.extend_from_slice(head);
                    append(&mut out, format_args!("IN {} {address}", family(address)));
                    out.extend_from_slice(line.end());
                }
                None => out.extend_from_slice(line.raw()),
            }
        }
        is_changed.then(|| {
            out.extend_from_slice(self.tail());
            out
        })
    }
}

/// What stands before the address of a line whose address is lost.
fn replaced<'a>(line: &Line<'a>, is_lost: impl Fn(IpAddr) -> bool) -> Option<&'a [u8]> {
    let value = line.value();
    let host = match line.kind() {
        b'c' => Host::parse(value),
        b'a' => {
            let attribute = Attribute::parse(value);
            let is_rtcp = attribute.is("rtcp");
            attribute.value.filter(|_| is_rtcp).and_then(|value| Rtcp::parse(value)?.host)
        }
        _ => None,
    };
    let Some(Host::Ip(ip)) = host else { return None };
    if !is_lost(ip) {
        return None;
    }
    match line.kind() {
        b'c' => line.raw().get(..2),
        // `a=rtcp:PORT IN ...`: up to the space behind the port.
        _ => {
            let space = line.raw().iter().position(|octet| *octet == b' ')?;
            line.raw().get(..=space)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Description;
    use std::net::IpAddr;

    fn reach(body: &str) -> Option<String> {
        let body = body.replace('\n', "\r\n");
        let theirs = Description::parse(body.as_bytes()).unwrap();
        let address = "203.0.113.9".parse().unwrap();
        let is_lost = |ip: IpAddr| matches!(ip, IpAddr::V4(ip) if ip.is_private());
        let out = theirs.with_address(address, is_lost)?;
        Some(String::from_utf8(out).unwrap().replace("\r\n", "\n"))
    }

    #[test]
    fn what_nobody_outside_reaches_is_replaced_and_nothing_else() {
        let body = |own: &str, other: &str| {
            format!(
                "v=0\no=alice 12 34 IN IP4 10.0.0.5\ns=-\nc=IN IP4 {own}\nt=0 0\nx=what?\n\
                 m=audio 4000 RTP/SAVP 8 101\nc=IN IP4 {own}\na=rtcp:4009 IN IP4 {own}\n\
                 a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\n\
                 a=candidate:1 1 UDP 1 10.0.0.5 4000\n\
                 m=video 4002 RTP/AVP 96\nc=IN IP4 {other}\na=rtcp:4010\na=unknown\n\n"
            )
        };
        let there = "198.51.100.7";
        let expected = body("203.0.113.9", there);
        assert_eq!(reach(&body("10.0.0.5", there)).as_deref(), Some(expected.as_str()));
        assert_eq!(reach(&body(there, there)), None, "byte by byte");
        // A hold by address is one still, and a name is whoever has it.
        assert_eq!(reach(&body("0.0.0.0", "host.example")), None);
    }

    #[test]
    fn the_last_line_may_have_no_end() {
        let body = "v=0\no=- 1 1 IN IP4 10.0.0.5\nm=audio 4 RTP/AVP 8\nc=IN  IP4  10.0.0.5/127";
        let expected = "v=0\no=- 1 1 IN IP4 10.0.0.5\nm=audio 4 RTP/AVP 8\nc=IN IP4 203.0.113.9";
        assert_eq!(reach(body).as_deref(), Some(expected));
    }
}
