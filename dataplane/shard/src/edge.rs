//! What the shard knows of sources without asking: trunks, bans, and who must show credentials.

mod network;

pub(crate) use network::{Networks, Place};

use std::collections::BTreeSet;
use std::net::SocketAddr;
use strowger_link::{Edge, EdgePage, EdgeSource, SourceAction};

/// Most networks of a snapshot; those beyond it are unknown.
pub const NETWORKS_MAX: usize = strowger_link::SOURCES_MAX;

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

/// Sources of a snapshot that is still on its way, or being compiled: a part is sorted when it
/// comes, and steps put all together, so that a long snapshot costs many turns a little.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    version: u64,
    count: usize,
    known: network::Draft,
    verdicts: Vec<Verdict>,
    trunks: network::Draft,
    ids: Vec<i64>,
    /// `known`, when it is compiled.
    compiled: Option<Networks>,
}

impl Draft {
    /// A page came; those of another version are of no use any more.
    pub(crate) fn take(&mut self, page: &EdgePage) {
        if page.version != self.version {
            *self = Draft { version: page.version, ..Draft::default() };
        }
        self.add(&page.sources);
    }

    /// The whole of this snapshot, with the pages that came before it; nothing of them stays.
    pub(crate) fn whole(&mut self, edge: &Edge) -> Draft {
        let mut draft = core::mem::take(self);
        if draft.version != edge.version {
            draft = Draft::default();
        }
        draft.add(&edge.sources);
        draft
    }

    fn add(&mut self, sources: &[EdgeSource]) {
        let room = NETWORKS_MAX.saturating_sub(self.count);
        let sources = sources.get(..room).unwrap_or(sources);
        self.count += sources.len();
        let (mut known, mut trunks) = (Vec::new(), Vec::new());
        for EdgeSource { network, prefix_len, port, action } in sources {
            let place = Place::new(*network, *prefix_len, *port);
            let (verdict, id) = match *action {
                SourceAction::Trunk(id) => (Some(Verdict::Trunk(id)), Some(id)),
                SourceAction::Deny => (Some(Verdict::Deny), None),
                SourceAction::Challenge => (Some(Verdict::Stranger), None),
                SourceAction::Target(id) => (None, Some(id)),
            };
            known.extend(verdict.map(|_| place));
            self.verdicts.extend(verdict);
            trunks.extend(id.map(|_| place));
            self.ids.extend(id);
        }
        self.known.add(&known);
        self.trunks.add(&trunks);
    }

    /// Goes on by at most `places` places; the sources when all are compiled, and nothing stays.
    pub(crate) fn step(&mut self, places: usize) -> Option<Sources> {
        let known = match self.compiled.take() {
            Some(known) => known,
            None => self.known.step(places)?,
        };
        let Some(trunks) = self.trunks.step(places) else {
            self.compiled = Some(known);
            return None;
        };
        let Draft { verdicts, ids, .. } = core::mem::take(self);
        Some(Sources { known, verdicts, trunks, ids })
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

impl Sources {
    /// Compiles a snapshot at once, with the sources that came before it on pages.
    #[must_use]
    pub fn compile(edge: &Edge, before: &[EdgeSource]) -> Sources {
        let mut draft = Draft::default();
        before.chunks(strowger_link::codec::LIST_MAX).for_each(|page| draft.add(page));
        draft.add(&edge.sources);
        let mut steps = [(); 2].into_iter().map(|()| draft.step(usize::MAX));
        steps.find_map(|sources| sources).unwrap_or_default()
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
    use strowger_port::clock;

    fn source(network: &str, prefix_len: u8, port: u16, action: SourceAction) -> EdgeSource {
        EdgeSource { network: network.parse().unwrap(), prefix_len, port, action }
    }

    fn compiled(sources: Vec<EdgeSource>) -> Sources {
        Sources::compile(
            &Edge {
                version: 1,
                realm: "r".into(),
                algorithms: vec![],
                nonce_key: [0; 16],
                nonce_valid_s: 60,
                sources,
                emergency: vec![],
            },
            &[],
        )
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

    /// The snapshot counts when it is whole, in the order of its pages; what another version left
    /// is no part of it.
    #[test]
    fn pages_stand_before_their_snapshot() {
        let page = |version, network: &str, action| EdgePage {
            version,
            sources: vec![source(network, 32, 0, action)],
        };
        let mut pages = Draft::default();
        pages.take(&page(6, "192.0.2.9", SourceAction::Deny));
        pages.take(&page(7, "192.0.2.1", SourceAction::Deny));
        pages.take(&page(7, "192.0.2.2", SourceAction::Deny));
        let edge = |version, sources| Edge {
            version,
            realm: "r".into(),
            algorithms: vec![],
            nonce_key: [0; 16],
            nonce_valid_s: 60,
            sources,
            emergency: vec![],
        };
        let own = edge(
            7,
            vec![
                source("192.0.2.1", 32, 0, SourceAction::Trunk(1)),
                source("192.0.2.3", 32, 0, SourceAction::Trunk(2)),
            ],
        );
        let mut draft = pages.whole(&own);
        assert!(draft.step(1).is_none() && draft.step(1).is_none() && draft.step(1).is_none());
        let sources = (0..9).find_map(|_| draft.step(1)).unwrap();
        for (from, verdict) in [
            ("192.0.2.1:1", Verdict::Deny),
            ("192.0.2.2:1", Verdict::Deny),
            ("192.0.2.3:1", Verdict::Trunk(2)),
            ("192.0.2.9:1", Verdict::Stranger),
        ] {
            assert_eq!(sources.verdict(from.parse().unwrap()), verdict, "{from}");
        }
        assert_eq!(pages.whole(&edge(7, vec![])).count, 0, "once");
        pages.take(&page(8, "192.0.2.1", SourceAction::Deny));
        assert_eq!(pages.whole(&edge(9, vec![])).count, 0, "of another version");
        // A sender that never ends fills no more than its room.
        let many = vec![source("192.0.2.1", 32, 0, SourceAction::Deny); 65_536];
        for _ in 0..4 {
            pages.take(&EdgePage { version: 10, sources: many.clone() });
        }
        assert_eq!(pages.whole(&edge(10, vec![])).verdicts.len(), NETWORKS_MAX);
    }

    /// As many sources as there is room for: what the worst turn pays for a page, and for a step.
    #[test]
    #[expect(clippy::print_stdout, reason = "who runs it by hand reads the figures")]
    fn a_full_snapshot_costs_each_turn_little() {
        let address = |n: usize| {
            let n = (n as u32).wrapping_mul(2_654_435_761);
            std::net::IpAddr::from(n.to_be_bytes())
        };
        let action = |n: usize| match n % 10 {
            0 => SourceAction::Trunk(n as i64),
            _ => SourceAction::Deny,
        };
        let all: Vec<EdgeSource> = (0..NETWORKS_MAX)
            .map(|n| EdgeSource { network: address(n), prefix_len: 32, port: 0, action: action(n) })
            .collect();
        let timed = |what: &mut dyn FnMut()| {
            let began = clock::monotonic();
            what();
            clock::monotonic().ns_since(began) / 1_000
        };
        let mut draft = Draft::default();
        let pages = all.chunks(512).map(|sources| {
            let page = EdgePage { version: 1, sources: sources.to_vec() };
            timed(&mut || draft.take(&page))
        });
        let mut pages: Vec<u64> = pages.collect();
        let mut done = None;
        let mut steps = Vec::new();
        while done.is_none() && steps.len() <= 2 * NETWORKS_MAX / 1_024 {
            steps.push(timed(&mut || done = draft.step(1_024)));
        }
        let sources = done.unwrap();
        for n in [0, 1, 77_770, NETWORKS_MAX - 1] {
            let expect = if n % 10 == 0 { Verdict::Trunk(n as i64) } else { Verdict::Deny };
            assert_eq!(sources.verdict((address(n), 5060).into()), expect, "{n}");
        }
        pages.sort_unstable();
        steps.sort_unstable();
        let told = |list: &[u64]| (list[list.len() / 2], list[list.len() - 1]);
        println!("page {:?}, step {:?} us (middle, worst)", told(&pages), told(&steps));
        // Far from the whole at once (tens of milliseconds), whatever else runs here.
        assert!(told(&pages).0 < 2_000 && told(&steps).0 < 5_000, "{pages:?} {steps:?}");
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
