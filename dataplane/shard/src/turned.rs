//! Strangers whom the edge answered by itself: counted by source, and told to the control plane.
//!
//! Bounded on both ways: so many sources are told apart, those beyond are counted together under
//! the unspecified address of their family, and a second tells so many of them. What waits is
//! neither lost nor told twice.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Bound::{Excluded, Unbounded};
use strowger_link::{Reason, Turned};

/// Most sources told apart between two frames of theirs, the two that stand for the rest included.
pub const TURNED_SOURCES_MAX: usize = 1_024;
/// Most frames of a second.
pub const TURNED_FRAMES_MAX: usize = 64;

/// What the edge did with a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Met {
    /// It was asked for credentials.
    Challenged,
    /// It got no answer: its source is denied.
    Denied,
    /// It got no answer: its program is on the list.
    Scanner,
    /// It got no answer: it called a number that nobody is called at.
    Lured,
    /// It cannot be read.
    Malformed,
    /// It got no answer: its source sends more than is taken of a stranger.
    Flooding,
}

/// How many there are.
pub(crate) const METS: usize = 6;

impl Met {
    const fn reason(self) -> Reason {
        match self {
            Met::Challenged => Reason::AuthFailed,
            Met::Denied => Reason::Denied,
            Met::Scanner => Reason::Rejected,
            Met::Lured => Reason::UnknownNumber,
            Met::Malformed => Reason::BadRequest,
            Met::Flooding => Reason::Overload,
        }
    }
}

/// A source and what met it.
type Place = (IpAddr, Met);

/// The newest port, and how often since the last frame.
#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    port: u16,
    count: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway {
    /// By where they are and what met them.
    sources: BTreeMap<Place, Seen>,
    /// Behind whom the next frame begins, so that each has its turn.
    last: Option<Place>,
}

impl TurnedAway {
    /// So many requests of `source` met this.
    pub(crate) fn note(&mut self, source: SocketAddr, met: Met, count: u64) {
        if count == 0 {
            return;
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let mut at = (source.ip().to_canonical(), met);
        let is_full = self.sources.len() >= TURNED_SOURCES_MAX.saturating_sub(RESTS);
        let port = if is_full && !self.sources.contains_key(&at) {
            at.0 = rest_of(at.0);
            0
        } else {
            source.port()
        };
        let known = self.sources.entry(at).or_default();
        *known = Seen { port, count: known.count.saturating_add(count) };
    }

    /// The next one to tell; it is told by [`TurnedAway::told`].
    pub(crate) fn next(&self) -> Option<Turned> {
        let (at, Seen { port, count }) = self.peek()?;
        let source = SocketAddr::new(at.0, *port);
        Some(Turned { source, reason: at.1.reason(), count: *count })
    }

    /// The one that [`TurnedAway::next`] gives is on its way.
    pub(crate) fn told(&mut self) {
        if let Some(at) = self.peek().map(|(at, _)| *at) {
            self.sources.remove(&at);
            self.last = Some(at);
        }
    }

    fn peek(&self) -> Option<(&Place, &Seen)> {
        let behind = |last| self.sources.range((Excluded(last), Unbounded)).next();
        self.last.and_then(behind).or_else(|| self.sources.first_key_value())
    }
}

/// Who stands for sources beyond the bound: of two families, by what met them.
const RESTS: usize = 2 * METS;

fn rest_of(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u32) -> SocketAddr {
        SocketAddr::new(IpAddr::from(n.to_be_bytes()), 5060)
    }

    fn all(turned: &mut TurnedAway) -> Vec<Turned> {
        std::iter::from_fn(|| {
            let next = turned.next()?;
            turned.told();
            Some(next)
        })
        .collect()
    }

    #[test]
    fn each_source_is_told_once_with_its_count() {
        let mut turned = TurnedAway::default();
        turned.note(at(1), Met::Challenged, 1);
        turned.note(at(2), Met::Denied, 7);
        turned.note("[::ffff:0.0.0.1]:6000".parse().unwrap(), Met::Challenged, 2);
        turned.note(at(3), Met::Denied, 0);
        let one =
            |source: &str, reason, count| Turned { source: source.parse().unwrap(), reason, count };
        assert_eq!(
            all(&mut turned),
            [one("0.0.0.1:6000", Reason::AuthFailed, 3), one("0.0.0.2:5060", Reason::Denied, 7)]
        );
        assert_eq!(turned.next(), None);
    }

    #[test]
    fn who_is_beyond_the_bound_is_counted_with_the_rest() {
        let mut turned = TurnedAway::default();
        let sources = u32::try_from(TURNED_SOURCES_MAX).unwrap() + 100;
        for n in 1..=sources {
            turned.note(at(n), Met::Challenged, 2);
            assert!(turned.sources.len() <= TURNED_SOURCES_MAX);
        }
        let told = all(&mut turned);
        assert_eq!(told.len(), TURNED_SOURCES_MAX - RESTS + 1);
        assert_eq!(told.iter().map(|t| t.count).sum::<u32>(), 2 * sources);
        let rest = told.iter().find(|t| t.source.ip().is_unspecified()).unwrap();
        assert_eq!(rest.count, 2 * (100 + u32::try_from(RESTS).unwrap()));
    }

    /// One that comes again and again does not keep the others from being told.
    #[test]
    fn each_has_its_turn() {
        let mut turned = TurnedAway::default();
        (1..=5).for_each(|n| turned.note(at(n), Met::Challenged, 1));
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(turned.next().unwrap().source);
            turned.told();
            turned.note(at(1), Met::Challenged, 1);
        }
        assert_eq!(seen, [1, 2, 3, 4, 5].map(at));
    }
}
