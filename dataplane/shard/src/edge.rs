//! What the shard knows of sources without asking: trunks, bans, and who must show credentials.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use strowger_link::{Edge, EdgeSource, SourceAction};

/// The edge snapshot, compiled for look-up.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Sorted by nothing: the first match of the snapshot wins, and a host has few peers by
    /// address.
    list: Vec<(Range, Verdict)>,
    /// The addresses of trunks, those that they are called at included.
    trunks: Vec<(Range, i64)>,
}

/// Addresses of one family: an IPv6 network holds no IPv4 address, however short its prefix.
#[derive(Clone, Copy, Debug)]
struct Range {
    is_ipv6: bool,
    first: u128,
    last: u128,
    port: u16,
}

impl Range {
    fn contains(&self, at: SocketAddr) -> bool {
        let ip = at.ip().to_canonical();
        self.is_ipv6 == ip.is_ipv6()
            && (self.first..=self.last).contains(&number(ip))
            && (self.port == 0 || self.port == at.port())
    }
}

/// What a source is to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// A trunk, by id: asks without credentials.
    Trunk(i64),
    /// Dropped silently and counted.
    Deny,
    /// Anybody: must show credentials.
    Stranger,
}

/// IPv4 and IPv4-mapped IPv6 are one and the same address.
fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn range(source: &EdgeSource) -> Range {
    let v4 = source.network.is_ipv4();
    let len = if v4 {
        96 + u32::from(source.prefix_len.min(32))
    } else {
        u32::from(source.prefix_len.min(128))
    };
    let host = u128::MAX.checked_shr(len).unwrap_or(0);
    let network = number(source.network);
    let (first, last) = (network & !host, network | host);
    Range { is_ipv6: !v4, first, last, port: source.port }
}

impl Sources {
    /// Compiles a snapshot.
    #[must_use]
    pub fn compile(edge: &Edge) -> Sources {
        let mut sources = Sources::default();
        for source in &edge.sources {
            let range = range(source);
            match source.action {
                SourceAction::Trunk(id) => {
                    sources.list.push((range, Verdict::Trunk(id)));
                    sources.trunks.push((range, id));
                }
                SourceAction::Deny => sources.list.push((range, Verdict::Deny)),
                SourceAction::Challenge => sources.list.push((range, Verdict::Stranger)),
                SourceAction::Target(id) => sources.trunks.push((range, id)),
            }
        }
        sources
    }

    /// What `source` is; without a match, a stranger.
    #[must_use]
    pub fn verdict(&self, source: SocketAddr) -> Verdict {
        let found = self.list.iter().find(|(range, _)| range.contains(source));
        found.map_or(Verdict::Stranger, |(_, verdict)| *verdict)
    }

    /// Whether both are addresses of one and the same trunk.
    #[must_use]
    pub fn is_one_trunk(&self, one: SocketAddr, other: SocketAddr) -> bool {
        let trunks = |at: SocketAddr| {
            self.trunks.iter().filter(move |(range, _)| range.contains(at)).map(|(_, id)| *id)
        };
        let of_one: BTreeSet<i64> = trunks(one).collect();
        !of_one.is_empty() && trunks(other).any(|id| of_one.contains(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(network: &str, prefix_len: u8, port: u16, action: SourceAction) -> EdgeSource {
        EdgeSource { network: network.parse().unwrap(), prefix_len, port, action }
    }

    fn compiled(sources: Vec<EdgeSource>) -> Sources {
        Sources::compile(&Edge {
            version: 1,
            realm: "r".into(),
            algorithms: vec![],
            nonce_key: [0; 16],
            nonce_valid_s: 60,
            sources,
            emergency: vec![],
        })
    }

    #[test]
    fn the_first_match_wins() {
        let sources = compiled(vec![
            source("127.0.0.1", 32, 5090, SourceAction::Trunk(7)),
            source("10.0.0.0", 8, 0, SourceAction::Trunk(8)),
            source("10.1.0.0", 16, 0, SourceAction::Deny),
            source("192.0.2.0", 24, 0, SourceAction::Deny),
            source("2001:db8::", 32, 0, SourceAction::Trunk(9)),
            source("198.51.100.1", 32, 0, SourceAction::Challenge),
            source("203.0.113.1", 32, 0, SourceAction::Target(7)),
            source("2001:db8:bad::", 48, 0, SourceAction::Trunk(11)),
            source("2001:db8:bad::", 48, 0, SourceAction::Deny),
            source("2001:db9:bad::", 48, 0, SourceAction::Deny),
        ]);
        for (from, verdict) in [
            ("127.0.0.1:5090", Verdict::Trunk(7)),
            ("[::ffff:127.0.0.1]:5090", Verdict::Trunk(7)),
            ("127.0.0.1:5091", Verdict::Stranger),
            ("10.1.2.3:5060", Verdict::Trunk(8)),
            ("192.0.2.255:1", Verdict::Deny),
            ("192.0.3.0:1", Verdict::Stranger),
            ("[2001:db8:ffff::1]:5060", Verdict::Trunk(9)),
            ("[2001:db8:bad::1]:5060", Verdict::Trunk(9)),
            ("[2001:db9::1]:5060", Verdict::Stranger),
            ("[2001:db9:bad:1::2]:5060", Verdict::Deny),
            ("203.0.113.1:5060", Verdict::Stranger),
            ("198.51.100.1:5060", Verdict::Stranger),
        ] {
            assert_eq!(sources.verdict(from.parse().unwrap()), verdict, "{from}");
        }
        assert_eq!(Sources::default().verdict("1.2.3.4:5".parse().unwrap()), Verdict::Stranger);
    }

    /// `::/0` is all of IPv6, and no IPv4 address, though those have a place in it.
    #[test]
    fn a_network_is_of_one_family() {
        let all = |network: &str| compiled(vec![source(network, 0, 0, SourceAction::Deny)]);
        for (network, denied, other) in [
            ("::", "[2001:db8::1]:5060", "192.0.2.1:5060"),
            ("0.0.0.0", "192.0.2.1:5060", "[2001:db8::1]:5060"),
        ] {
            assert_eq!(all(network).verdict(denied.parse().unwrap()), Verdict::Deny);
            assert_eq!(all(network).verdict(other.parse().unwrap()), Verdict::Stranger);
        }
        let mapped = "[::ffff:192.0.2.1]:5060".parse().unwrap();
        assert_eq!(all("::").verdict(mapped), Verdict::Stranger);
        assert_eq!(all("0.0.0.0").verdict(mapped), Verdict::Deny);
    }

    #[test]
    fn a_trunk_is_one_party_at_all_its_addresses() {
        let trunk = SourceAction::Trunk;
        let sources = compiled(vec![
            source("192.0.2.0", 28, 0, trunk(1)),
            source("192.0.2.99", 32, 5070, trunk(1)),
            source("2001:db8:1::", 48, 0, trunk(1)),
            source("198.51.100.9", 32, 5060, SourceAction::Target(1)),
            source("198.51.100.9", 32, 5060, SourceAction::Target(2)),
            source("203.0.113.0", 24, 0, trunk(2)),
            source("10.0.0.0", 8, 0, SourceAction::Deny),
        ]);
        let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
        for (one, other, same) in [
            ("192.0.2.1:5060", "192.0.2.15:31000", true),
            ("192.0.2.1:5060", "[::ffff:192.0.2.15]:5060", true),
            ("192.0.2.1:5060", "192.0.2.16:5060", false),
            ("192.0.2.1:5060", "192.0.2.99:5070", true),
            ("192.0.2.1:5060", "192.0.2.99:5060", false),
            ("192.0.2.1:5060", "[2001:db8:1:9::1]:5060", true),
            ("[2001:db8:1::1]:5060", "[2001:db8:2::1]:5060", false),
            ("198.51.100.9:5060", "192.0.2.1:5060", true),
            ("198.51.100.9:5060", "203.0.113.77:5060", true),
            ("192.0.2.1:5060", "203.0.113.77:5060", false),
            ("10.0.0.1:5060", "10.0.0.2:5060", false),
            ("172.16.0.1:5060", "172.16.0.1:5060", false),
        ] {
            assert_eq!(sources.is_one_trunk(at(one), at(other)), same, "{one} {other}");
            assert_eq!(sources.is_one_trunk(at(other), at(one)), same, "{other} {one}");
        }
    }
}
