//! HOT PATH
//!
//! The far end of a flow: what was signalled, and what was learned from packets.
//!
//! The signalled address is used at once. Before the first packet, another source is learned only
//! if the leg is behind a NAT and the source has the IP address that its signalling comes from.
//! Later another source is learned only when it continues the stream after silence. Anyone else
//! is a stranger, whose packets change nothing. Of a strict party only the signalled address sends.

use core::net::{IpAddr, SocketAddr};

/// The far end of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Remote {
    /// The address last signalled.
    signalled: Option<SocketAddr>,
    /// Whether signalling gives no address by now: a hold by address, or a name.
    is_unnamed: bool,
    /// Where the signalling comes from, if the leg is behind a NAT.
    nat: Option<IpAddr>,
    /// Nothing is learned: packets come from the signalled address, or from strangers.
    is_strict: bool,
    /// Where packets come from.
    latched: Option<SocketAddr>,
    moves: u16,
}

/// What a source is to a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// The one that is latched.
    Latched,
    /// One that may be latched now: the first, or the stream continued elsewhere.
    New,
    /// Neither.
    Stranger,
}

impl Remote {
    pub(crate) const fn new(
        signalled: Option<SocketAddr>,
        nat: Option<IpAddr>,
        is_strict: bool,
    ) -> Remote {
        let is_unnamed = signalled.is_none();
        Remote { signalled, is_unnamed, nat, is_strict, latched: None, moves: 0 }
    }

    /// Takes over what new signalling says. The same address again keeps what was learned, and so
    /// does no address: a re-INVITE for hold must not tear a phone behind a NAT off.
    pub(crate) fn update(
        &mut self,
        signalled: Option<SocketAddr>,
        nat: Option<IpAddr>,
        is_strict: bool,
    ) {
        self.nat = nat;
        self.is_strict = is_strict;
        self.is_unnamed = signalled.is_none();
        if signalled.is_some() && signalled != self.signalled {
            self.signalled = signalled;
            self.latched = None;
        }
    }

    /// The party has proved that it is there, and nowhere else.
    pub(crate) fn choose(&mut self, at: SocketAddr) {
        let latched = self.latched.filter(|latched| is_same(*latched, at));
        let has_moved = self.latched.is_some() && latched.is_none();
        let moves = self.moves.saturating_add(u16::from(has_moved));
        *self = Remote { latched, moves, ..Remote::new(Some(at), None, true) };
    }

    /// Where packets for this end go. Without an address nothing is sent (RFC 3264 section 8.4),
    /// unless the end is behind a NAT and was learned.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        match (self.is_unnamed, self.nat) {
            (true, None) => None,
            (true, Some(_)) => self.latched,
            (false, _) => self.latched.or(self.signalled),
        }
    }

    /// Where packets of this end come from, once one came.
    pub(crate) const fn latched(&self) -> Option<SocketAddr> {
        self.latched
    }

    /// Whether packets of this end come from there.
    pub(crate) fn is_latched(&self, from: SocketAddr) -> bool {
        self.latched.is_some_and(|latched| is_same(latched, from))
    }

    /// How often the end moved after it was latched.
    pub(crate) const fn moves(&self) -> u16 {
        self.moves
    }

    /// Judges the source of a packet; `continues` tells whether the packet continues the stream
    /// after silence, and is asked only of another source than the latched one.
    pub(crate) fn judge(&self, from: SocketAddr, continues: impl FnOnce() -> bool) -> Source {
        match self.latched {
            Some(latched) if is_same(latched, from) => Source::Latched,
            Some(_) if !self.is_strict && continues() => Source::New,
            None if self.is_expected(from) => Source::New,
            Some(_) | None => Source::Stranger,
        }
    }

    /// Learns the source of an accepted packet.
    pub(crate) fn settle(&mut self, from: SocketAddr) {
        match self.latched {
            Some(latched) if is_same(latched, from) => return,
            Some(_) => self.moves = self.moves.saturating_add(1),
            None => {}
        }
        self.latched = Some(from);
    }

    /// Whether the signalling's own address is `from`'s; only for legs behind a NAT.
    pub(crate) fn is_behind_nat(&self, from: SocketAddr) -> bool {
        self.nat == Some(from.ip())
    }

    fn is_expected(&self, from: SocketAddr) -> bool {
        self.signalled.is_some_and(|signalled| is_same(signalled, from))
            || !self.is_strict && self.is_behind_nat(from)
    }
}

/// Compares address and port: scope and flow label of IPv6 are not signalled.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip() == other.ip()
}
