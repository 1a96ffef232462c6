//! What a call needs done at once, in the same turn: session descriptions, joints, gauges.

use std::net::SocketAddr;
use strowger_leg::Body;
use strowger_link::{Cause, Gauge, LegId, MediaPolicy, MediaReport, Tick};

/// What a session description is in the exchange it belongs to (RFC 3264).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// It proposes.
    Offer,
    /// It answers the last offer.
    Answer,
}

/// Media and gauges of a shard; `call` knows neither and asks for both by this.
///
/// Every leg that is opened is released exactly once; every join is parted exactly once, before the
/// first of its legs is released; every gauge taken is given back exactly once.
pub trait Resources {
    /// A leg of ours begins: it will leave by `listener` towards `party`. Comes before anything
    /// else about the leg, so that its ports open where the party can reach them.
    fn begin(&mut self, leg: LegId, listener: u8, party: SocketAddr);

    /// The session description `body`, which `from` sent as `role`, rewritten for `to`; opens the
    /// ports that `to` is told. `policy` is `from`'s and `to`'s.
    ///
    /// A body that is no session description is returned as it shall go on. An answer that nobody
    /// waits for (the first leg's to the re-offer of an originated call) is described as well, so
    /// that media learns it; its result is then dropped.
    ///
    /// # Errors
    /// The cause with which `from` is refused: nothing in common, malformed, no ports left.
    fn describe(
        &mut self,
        from: LegId,
        to: LegId,
        role: Role,
        body: &Body,
        policy: (&MediaPolicy, &MediaPolicy),
    ) -> Result<Body, Cause>;

    /// An offer of our own for a leg that we originate; opens its ports.
    ///
    /// # Errors
    /// The cause for the record: no ports left.
    fn compose(&mut self, to: LegId, policy: &MediaPolicy) -> Result<Body, Cause>;

    /// What `leg` said last, made ready to be offered to somebody else: as if it were not on hold.
    /// `None` when that is not known here.
    fn said(&self, leg: LegId) -> Option<Body>;

    /// Media flows between the two from now on.
    fn join(&mut self, a: LegId, b: LegId);

    /// The call was answered, and these two talk: what they send from now on is told beside what
    /// they sent before. Comes behind their join.
    fn answered(&mut self, a: LegId, b: LegId);

    /// Media flows between the two no longer.
    fn part(&mut self, a: LegId, b: LegId);

    /// The leg is over: its ports are closed. What it sent and was sent, if it had media.
    fn release(&mut self, leg: LegId) -> Option<MediaReport>;

    /// Takes one of `gauge` if neither of its limits is reached.
    fn take(&mut self, gauge: &Gauge, now: Tick) -> bool;

    /// Counts one of the gauge `id` that a call took in a former process: whatever its limits.
    fn retake(&mut self, id: u32);

    /// Gives one of the gauge `id` back.
    fn give(&mut self, id: u32);
}
