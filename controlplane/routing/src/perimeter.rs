//! Which addresses a call may be sent to.
//!
//! A trunk's target is a word of whoever may write rows, a name's address a word of a name server,
//! and a contact a word of a peer. None of them may make this host talk to itself, to programs that
//! listen on its loopback for nobody but it, or to the network behind it, unless somebody said so:
//! who runs the host by a list of networks, or for private networks the trunk's row.
//!
//! IANA's registries of special-purpose addresses (RFC 6890) say what is special; documentation
//! networks lead nowhere and need no rule.

use crate::world::Listener;
use core::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use strowger_model::SourceMatch;

/// Why nothing is sent to an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum OffLimits {
    /// It is a listener of ours: a call there would come back as another one. Never allowed.
    Own,
    /// It is no address of one host: unspecified, multicast, broadcast, reserved. Never allowed.
    NoHost,
    /// This host (127.0.0.0/8, ::1).
    Loopback,
    /// This link (169.254.0.0/16, fe80::/10).
    LinkLocal,
    /// A private network (RFC 1918, RFC 6598, RFC 4193).
    Private,
}

impl fmt::Display for OffLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OffLimits::Own => "is an address that we listen on",
            OffLimits::NoHost => "is no address of a host",
            OffLimits::Loopback => "is a loopback address, which `targets.allowed` does not name",
            OffLimits::LinkLocal => {
                "is a link-local address, which `targets.allowed` does not name"
            }
            OffLimits::Private => {
                "is a private address, which neither `allow_private` nor `targets.allowed` allows"
            }
        })
    }
}

/// The rule, as one process has it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Perimeter {
    allowed: Vec<SourceMatch>,
    own: Vec<SocketAddr>,
}

impl Perimeter {
    /// Special networks that calls may be sent to (address, bits that count), and where this
    /// process listens beside what it advertises.
    #[must_use]
    pub fn new(
        allowed: impl IntoIterator<Item = (IpAddr, u8)>,
        own: impl IntoIterator<Item = SocketAddr>,
    ) -> Perimeter {
        let network = |(network, prefix_len)| SourceMatch { network, prefix_len, port: 0 };
        Perimeter {
            allowed: allowed.into_iter().map(network).collect(),
            own: own.into_iter().map(canonical).collect(),
        }
    }

    /// The same with the advertised addresses of listeners.
    pub(crate) fn with_listeners(mut self, listeners: &[Listener]) -> Perimeter {
        self.own.extend(listeners.iter().map(|listener| canonical(listener.address)));
        self.own.sort_unstable();
        self.own.dedup();
        self
    }

    /// Whether we listen there.
    #[must_use]
    pub fn is_own(&self, address: SocketAddr) -> bool {
        self.own.contains(&canonical(address))
    }

    /// Whether a call may be sent to an address. `allow_private` is the trunk's word.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, address: SocketAddr, allow_private: bool) -> Result<(), OffLimits> {
        let address = canonical(address);
        if self.is_own(address) {
            return Err(OffLimits::Own);
        }
        match special(address.ip()) {
            None => Ok(()),
            Some(OffLimits::Private) if allow_private => Ok(()),
            Some(why @ (OffLimits::Own | OffLimits::NoHost)) => Err(why),
            Some(why) => {
                let named = self.allowed.iter().any(|network| network.matches(address));
                if named { Ok(()) } else { Err(why) }
            }
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What is special about an address.
fn special(ip: IpAddr) -> Option<OffLimits> {
    match ip {
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip),
    }
}

fn special_v4(ip: Ipv4Addr) -> Option<OffLimits> {
    match ip.octets() {
        [0 | 224..=255, ..] => Some(OffLimits::NoHost),
        [127, ..] => Some(OffLimits::Loopback),
        [169, 254, ..] => Some(OffLimits::LinkLocal),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => {
            Some(OffLimits::Private)
        }
        _ => None,
    }
}

fn special_v6(ip: Ipv6Addr) -> Option<OffLimits> {
    if ip.is_unspecified() || ip.is_multicast() {
        return Some(OffLimits::NoHost);
    }
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(OffLimits::Loopback),
        [0xfe80..=0xfebf, ..] => Some(OffLimits::LinkLocal),
        [0xfc00..=0xfdff, ..] => Some(OffLimits::Private),
        // IPv4 inside IPv6 by other ways than mapping: compatible (RFC 4291 2.5.5.1), NAT64 (RFC
        // 6052), 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0, a, b] | [0x64, 0xff9b, 0, 0, 0, 0, a, b] | [0x2002, a, b, ..] => {
            special_v4(Ipv4Addr::from_bits(u32::from(a) << 16 | u32::from(b)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn check(perimeter: &Perimeter, rows: &[(&str, bool, Option<OffLimits>)]) {
        for (address, allow_private, expect) in rows {
            let said = perimeter.check(address.parse().unwrap(), *allow_private).err();
            assert_eq!(said, *expect, "{address} {allow_private}");
        }
    }

    #[test]
    fn special_addresses_are_off_limits() {
        use OffLimits::{LinkLocal, Loopback, NoHost, Own, Private};
        let perimeter = Perimeter::default().with_listeners(&[
            testing::listener("198.51.100.1:5060"),
            testing::listener("[2001:db8::1]:5060"),
        ]);
        check(
            &perimeter,
            &[
                ("192.0.2.1:5060", false, None),
                ("198.51.100.1:5060", true, Some(Own)),
                ("[::ffff:198.51.100.1]:5060", true, Some(Own)),
                ("198.51.100.1:5070", false, None),
                ("[2001:db8::1]:5060", true, Some(Own)),
                ("[2001:db8::2]:5060", false, None),
                ("0.0.0.0:5060", true, Some(NoHost)),
                ("224.0.1.75:5060", true, Some(NoHost)),
                ("255.255.255.255:5060", true, Some(NoHost)),
                ("[::]:5060", true, Some(NoHost)),
                ("[ff02::1]:5060", true, Some(NoHost)),
                ("127.0.0.1:5090", true, Some(Loopback)),
                ("127.255.0.1:5090", false, Some(Loopback)),
                ("[::1]:5090", true, Some(Loopback)),
                ("[::ffff:127.0.0.1]:5090", false, Some(Loopback)),
                ("[64:ff9b::7f00:1]:5090", false, Some(Loopback)),
                ("169.254.169.254:80", true, Some(LinkLocal)),
                ("[fe80::1]:5060", true, Some(LinkLocal)),
                ("10.0.0.1:5060", false, Some(Private)),
                ("10.0.0.1:5060", true, None),
                ("172.15.255.255:5060", false, None),
                ("172.16.0.1:5060", false, Some(Private)),
                ("172.31.255.255:5060", false, Some(Private)),
                ("172.32.0.1:5060", false, None),
                ("192.168.1.1:5060", false, Some(Private)),
                ("100.64.0.1:5060", false, Some(Private)),
                ("100.128.0.1:5060", false, None),
                ("[fd00::1]:5060", false, Some(Private)),
                ("[fd00::1]:5060", true, None),
                ("[2002:a00:1::1]:5060", false, Some(Private)),
                ("[64:ff9b::c000:201]:5060", false, None),
            ],
        );
    }

    #[test]
    fn the_host_may_name_networks_but_never_itself() {
        let networks = [("127.0.0.0", 8), ("fd00::", 8), ("0.0.0.0", 0)];
        let networks = networks.map(|(network, len)| (network.parse().unwrap(), len));
        let own = "127.0.0.1:5060".parse().unwrap();
        check(
            &Perimeter::new(networks, [own]),
            &[
                ("127.0.0.1:5060", true, Some(OffLimits::Own)),
                ("127.0.0.1:5090", false, None),
                ("[::1]:5090", false, Some(OffLimits::Loopback)),
                ("[fd00::9]:5060", false, None),
                ("10.0.0.9:5060", false, None),
                ("224.0.0.1:5060", false, Some(OffLimits::NoHost)),
            ],
        );
    }
}
