//! What the shard knows of sources without asking: trunks, bans, and who must show credentials.

mod network;

pub(crate) use network::{Networks, Place};

use std::collections::BTreeSet;
use std::net::SocketAddr;
use strowger_link::{Edge, EdgeSource, SourceAction};

/// Most networks of a snapshot; those beyond it are unknown.
pub const NETWORKS_MAX: usize = 131_072;

/// The edge snapshot, compiled for look-up: a look costs two binary searches, however long the
/// snapshot is.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The places of the snapshot, targets apart; the first match wins.
    known: Networks,
    /// What each of them is.
    verdicts: Vec<Verdict>,
    /// The addresses of trunks, those that they are called at included.
    trunks: Networks,
    /// Whose each of them is.
    ids: Vec<i64>,
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

impl Sources {
    /// Compiles a snapshot.
    #[must_use]
    pub fn compile(edge: &Edge) -> Sources {
        let (mut known, mut verdicts) = (Vec::new(), Vec::new());
        let (mut trunks, mut ids) = (Vec::new(), Vec::new());
        for source in edge.sources.iter().take(NETWORKS_MAX) {
            let EdgeSource { network, prefix_len, port, ref action } = *source;
            let place = Place::new(network, prefix_len, port);
            match *action {
                SourceAction::Trunk(id) => {
                    known.push(place);
                    verdicts.push(Verdict::Trunk(id));
                    trunks.push(place);
                    ids.push(id);
                }
                SourceAction::Deny => {
                    known.push(place);
                    verdicts.push(Verdict::Deny);
                }
                SourceAction::Challenge => {
                    known.push(place);
                    verdicts.push(Verdict::Stranger);
                }
                SourceAction::Target(id) => {
                    trunks.push(place);
                    ids.push(id);
                }
            }
        }
        let (known, trunks) = (Networks::compile(&known), Networks::compile(&trunks));
        Sources { known, verdicts, trunks, ids }
    }

    /// What `source` is; without a match, a stranger.
    #[must_use]
    pub fn verdict(&self, source: SocketAddr) -> Verdict {
        let found = self.known.first(source).and_then(|at| self.verdicts.get(at));
        found.copied().unwrap_or(Verdict::Stranger)
    }

    /// Whether it is an address of a trunk: one that it calls from, or is called at.
    #[must_use]
    pub fn is_trunk(&self, source: SocketAddr) -> bool {
        self.trunks.first(source).is_some()
    }

    /// Whether both are addresses of one and the same trunk.
    #[must_use]
    pub fn is_one_trunk(&self, one: SocketAddr, other: SocketAddr) -> bool {
        let mut of_one: BTreeSet<i64> = BTreeSet::new();
        self.trunks.each(one, |at| of_one.extend(self.ids.get(at)));
        let mut is_one = false;
        if !of_one.is_empty() {
            self.trunks.each(other, |at| {
                is_one |= self.ids.get(at).is_some_and(|id| of_one.contains(id));
            });
        }
        is_one
    }

    /// Bytes of memory that the compiled snapshot takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let lists = self.verdicts.len() * size_of::<Verdict>() + self.ids.len() * size_of::<i64>();
        self.known.bytes() + self.trunks.bytes() + lists
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
