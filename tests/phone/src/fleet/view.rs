//! What a test is told of a call.

use std::time::{Duration, Instant};

use super::Side;
use crate::sdp::Direction;

/// How far a leg has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Its time has not come.
    Waiting,
    /// INVITE left or came, nothing but 100 answered it.
    Calling,
    /// 18x came or left.
    Ringing,
    /// 200 left, no ACK came.
    Answered,
    /// 200 and ACK are exchanged.
    Talking,
    /// BYE left, unanswered.
    Ending,
    /// Over.
    Ended,
}

/// How a leg ended, seen from its phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Our BYE was answered with 200.
    LocalBye,
    /// BYE came.
    RemoteBye,
    /// Our BYE was refused: the other side had no such call.
    ByeRefused(u16),
    /// Our CANCEL led to 487.
    LocalCancel,
    /// CANCEL came before we answered.
    RemoteCancel,
    /// Our INVITE was refused.
    Refused {
        /// Final code.
        code: u16,
        /// Seconds of `Retry-After`.
        retry_after_s: Option<u32>,
    },
    /// A request of ours was never answered.
    Silent,
    /// Our 200 was never acknowledged.
    NoAck,
}

/// State of a leg's own re-INVITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// None, or none since the last.
    None,
    /// Unanswered.
    Pending(Direction),
    /// Its final code.
    Done(u16),
}

/// What a leg heard, and what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SoundView {
    /// Packets sent.
    pub sent: u64,
    /// Packets of the other leg of this call, unchanged.
    pub received: u64,
    /// Packets of the other leg that were passed over: a later one came.
    pub lost: u64,
    /// Packets that came twice, or after a later one.
    pub behind: u64,
    /// Packets of another call, or changed, or not of this fleet: must be 0.
    pub foreign: u64,
    /// Packets that came from elsewhere than the address of the session description.
    pub strange: u64,
    /// Longest time between two packets while audio was due, the running one included.
    pub gap_max: Duration,
    /// Longest time from sending to receiving.
    pub delay_max: Duration,
}

/// One leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegView {
    /// How far it is.
    pub phase: Phase,
    /// How it ended.
    pub end: Option<End>,
    /// The `Reason` header of the message that ended it.
    pub reason: Option<String>,
    /// When the INVITE left or came.
    pub asked: Option<Instant>,
    /// When the 200 came or left.
    pub answered: Option<Instant>,
    /// When a BYE of our own left.
    pub parted: Option<Instant>,
    /// When it was over.
    pub ended: Option<Instant>,
    /// What the other side said last of its direction.
    pub hears: Option<Direction>,
    /// Own re-INVITE.
    pub change: Change,
    /// Requests that came inside the dialog and were answered with 200, BYE not among them.
    pub changed: u32,
    /// Audio.
    pub sound: SoundView,
}

impl LegView {
    /// In one line, for people.
    #[must_use]
    pub fn to_line(&self) -> String {
        let Self { phase, end, reason, hears, change, changed, sound, .. } = self;
        let since = |from: Option<Instant>, to: Option<Instant>| {
            from.zip(to).map(|(from, to)| to.saturating_duration_since(from))
        };
        let (setup, talk) = (since(self.asked, self.answered), since(self.answered, self.ended));
        format!(
            "{phase:?}, end {end:?}, reason {reason:?}, set up in {setup:?}, over after {talk:?}, \
             other side {hears:?}, own re-INVITE {change:?}, {changed} of the other's; {sound:?}"
        )
    }
}

/// One call, by both its phones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallView {
    /// Its number, from 0.
    pub number: u32,
    /// What was dialled.
    pub dialled: String,
    /// The caller's leg.
    pub near: LegView,
    /// The called one's, once it is known which it is.
    pub far: Option<LegView>,
}

impl CallView {
    /// A leg.
    #[must_use]
    pub fn leg(&self, side: Side) -> Option<&LegView> {
        match side {
            Side::Near => Some(&self.near),
            Side::Far => self.far.as_ref(),
        }
    }

    /// Both phones talk.
    #[must_use]
    pub fn talks(&self) -> bool {
        let talking = |leg: &LegView| leg.phase == Phase::Talking;
        talking(&self.near) && self.far.as_ref().is_some_and(talking)
    }

    /// No phone has anything to do with it any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let over = |leg: &LegView| leg.phase == Phase::Ended;
        over(&self.near) && self.far.as_ref().is_none_or(over)
    }

    /// Both phones talked, and neither noticed a fault in how it ended.
    #[must_use]
    pub fn ended_well(&self) -> bool {
        let well = |leg: &LegView| matches!(leg.end, Some(End::LocalBye | End::RemoteBye));
        well(&self.near) && self.far.as_ref().is_some_and(well)
    }

    /// Least and most milliseconds that the product can have talked of, for a call that one of the
    /// phones ended: answered between the two 200s, over between BYE and its answer.
    #[must_use]
    pub fn talk_ms(&self) -> Option<(u64, u64)> {
        let far = self.far.as_ref()?;
        let enders = || [&self.near, far].into_iter().filter(|leg| leg.parted.is_some());
        let parted = enders().filter_map(|leg| leg.parted).min()?;
        let ended = enders().filter_map(|leg| leg.ended).max()?;
        let least = parted.saturating_duration_since(self.near.answered?);
        let most = ended.saturating_duration_since(far.answered?);
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Some((ms(least).saturating_sub(1), ms(most) + 1))
    }
}
