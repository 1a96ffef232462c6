//! What the shard knows of sources without asking: trunks, bans, and who must show credentials.

use std::net::{IpAddr, SocketAddr};
use strowger_link::{Edge, EdgeSource, SourceAction};

/// The edge snapshot, compiled for look-up.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Sorted by nothing: the first match of the snapshot wins, and a host has few peers by
    /// address.
    list: Vec<Range>,
}

#[derive(Clone, Debug)]
struct Range {
    first: u128,
    last: u128,
    port: u16,
    verdict: Verdict,
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
    Range {
        first: network & !host,
        last: network | host,
        port: source.port,
        verdict: match source.action {
            SourceAction::Trunk(id) => Verdict::Trunk(id),
            SourceAction::Deny => Verdict::Deny,
            SourceAction::Challenge => Verdict::Stranger,
        },
    }
}

impl Sources {
    /// Compiles a snapshot.
    #[must_use]
    pub fn compile(edge: &Edge) -> Sources {
        Sources { list: edge.sources.iter().map(range).collect() }
    }

    /// What `source` is; without a match, a stranger.
    #[must_use]
    pub fn verdict(&self, source: SocketAddr) -> Verdict {
        let ip = number(source.ip());
        let fits = |r: &&Range| {
            (r.first..=r.last).contains(&ip) && (r.port == 0 || r.port == source.port())
        };
        self.list.iter().find(fits).map_or(Verdict::Stranger, |r| r.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(network: &str, prefix_len: u8, port: u16, action: SourceAction) -> EdgeSource {
        EdgeSource { network: network.parse().unwrap(), prefix_len, port, action }
    }

    #[test]
    fn the_first_match_wins() {
        let edge = Edge {
            version: 1,
            realm: "r".into(),
            algorithms: vec![],
            nonce_key: [0; 16],
            nonce_valid_s: 60,
            sources: vec![
                source("127.0.0.1", 32, 5090, SourceAction::Trunk(7)),
                source("10.0.0.0", 8, 0, SourceAction::Trunk(8)),
                source("10.1.0.0", 16, 0, SourceAction::Deny),
                source("192.0.2.0", 24, 0, SourceAction::Deny),
                source("2001:db8::", 32, 0, SourceAction::Trunk(9)),
                source("198.51.100.1", 32, 0, SourceAction::Challenge),
            ],
            emergency: vec![],
        };
        let sources = Sources::compile(&edge);
        for (from, verdict) in [
            ("127.0.0.1:5090", Verdict::Trunk(7)),
            ("[::ffff:127.0.0.1]:5090", Verdict::Trunk(7)),
            ("127.0.0.1:5091", Verdict::Stranger),
            ("10.1.2.3:5060", Verdict::Trunk(8)),
            ("192.0.2.255:1", Verdict::Deny),
            ("192.0.3.0:1", Verdict::Stranger),
            ("[2001:db8:ffff::1]:5060", Verdict::Trunk(9)),
            ("[2001:db9::1]:5060", Verdict::Stranger),
            ("198.51.100.1:5060", Verdict::Stranger),
        ] {
            assert_eq!(sources.verdict(from.parse().unwrap()), verdict, "{from}");
        }
        assert_eq!(Sources::default().verdict("1.2.3.4:5".parse().unwrap()), Verdict::Stranger);
    }
}
