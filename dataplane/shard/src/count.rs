//! What a shard counts.

use crate::turned::{METS, Met};
use strowger_media::Drop as MediaDrop;
use strowger_port::net::SendResult;
use strowger_sip::endpoint::Counted;

/// Counts since the start; see [`strowger_link::COUNTERS`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// SIP datagrams taken.
    pub sip_received: u64,
    /// SIP datagrams handed to the system.
    pub sip_sent: u64,
    /// SIP datagrams that the system could not take.
    pub sip_lost: u64,
    /// Malformed messages, dropped or answered.
    pub sip_malformed: u64,
    /// Messages that belong to nothing: responses, ACKs, CANCELs, requests of dialogs unknown.
    pub sip_stray: u64,
    /// Requests of running calls from addresses that are none of their parties'.
    pub sip_elsewhere: u64,
    /// Requests refused for what they are or bring.
    pub sip_refused: u64,
    /// Requests challenged.
    pub sip_challenged: u64,
    /// Requests of denied sources, dropped.
    pub sip_denied: u64,
    /// Requests of strangers whose program is on the list, dropped.
    pub sip_scanners: u64,
    /// Calls of strangers to numbers that nobody is called at, dropped.
    pub sip_lured: u64,
    /// Requests refused because a table was full.
    pub sip_full: u64,
    /// Commands that a leg's state did not allow, and messages that could not be built: our bugs.
    pub sip_misuse: u64,
    /// Media packets taken.
    pub media_received: u64,
    /// Of these, sent on.
    pub media_sent: u64,
    /// Of these, dropped: no RTP at a port for RTP, no RTCP at one for RTCP, or cut.
    pub media_malformed: u64,
    /// Of these, dropped: from a source that has no part in the call, by its address or by its key.
    pub media_stranger: u64,
    /// Of these, dropped: more than their flow may send.
    pub media_flooded: u64,
    /// Frames of the control plane that could not be read.
    pub frames_malformed: u64,
    /// Call table writes that found no room: the call is not recoverable.
    pub table_full: u64,
    /// Journal appends that found no room; tried again until they do.
    pub journal_full: u64,
    /// Frames that found the ring full.
    pub ring_full: u64,
    /// New requests refused by 503 because their listener was late.
    pub shed_refused: u64,
    /// New requests dropped because their listener was too late for an answer to be of use.
    pub shed_silent: u64,
    /// Copies of requests that had waited while the first one was refused; dropped.
    pub shed_repeats: u64,
    /// ACKs of such refusals; dropped.
    pub shed_acks: u64,
    /// Datagrams beyond their source's rate; dropped.
    pub limited_datagrams: u64,
    /// New requests beyond their source's rate; dropped.
    pub limited_requests: u64,
    /// New requests without credentials, not challenged because their source was too often.
    pub limited_challenges: u64,
    /// New requests refused by 503 because too much is under way.
    pub over_budget: u64,
    /// New requests refused by 503 because the control plane is too slow.
    pub asks_refused: u64,
    /// Requests let through to find out whether it still is.
    pub asks_probed: u64,
    /// Media packets dropped because they had waited too long.
    pub media_late: u64,
    /// STUN binding requests answered.
    pub stun_answered: u64,
    /// Messages of STUN that were not: malformed, no binding requests, too many of one source.
    pub stun_dropped: u64,
    /// Words sent to other shards.
    pub mesh_sent: u64,
    /// Words of other shards taken.
    pub mesh_received: u64,
    /// Words that found no room at the other shard: what they brought is lost.
    pub mesh_full: u64,
    /// Turns.
    pub turns: u64,
    /// Octets of media packets taken and sent, without their headers.
    pub media_octets: u64,
    /// Octets of signalling taken and sent, without their headers.
    pub sip_octets: u64,
    /// Time of the turns that are timed, nanoseconds.
    pub timed_ns: u64,
    /// Of it, time that media took.
    pub timed_media_ns: u64,
}

impl Counts {
    /// Counts a dropped packet of media. Reasons that are no sign of bad input stand in the reports
    /// of their flows, those without a flow with the relay.
    pub(crate) fn media_drop(&mut self, reason: MediaDrop) {
        match reason {
            MediaDrop::Junk | MediaDrop::Truncated => self.media_malformed += 1,
            MediaDrop::Stranger | MediaDrop::Unproven => self.media_stranger += 1,
            MediaDrop::Flood => self.media_flooded += 1,
            MediaDrop::Closed
            | MediaDrop::PayloadType
            | MediaDrop::Held
            | MediaDrop::NoDestination => {}
        }
    }

    /// How often what met those who were turned away.
    pub(crate) const fn turned(&self) -> [(Met, u64); METS] {
        [
            (Met::Challenged, self.sip_challenged),
            (Met::Denied, self.sip_denied),
            (Met::Scanner, self.sip_scanners),
            (Met::Lured, self.sip_lured),
            (Met::Malformed, self.sip_malformed),
            (Met::Flooding, self.limited_datagrams.saturating_add(self.limited_requests)),
        ]
    }

    /// Counts what became of a SIP datagram of ours. What the system cannot take is lost as on any
    /// network: transactions send again.
    pub(crate) fn sent(&mut self, result: SendResult, octets: usize) {
        match result {
            SendResult::Queued => self.carried(true, octets),
            SendResult::TooLong | SendResult::NoListener => self.sip_lost += 1,
        }
    }

    /// Counts what became of a message of ours that goes by a connection.
    pub(crate) const fn carried(&mut self, taken: bool, octets: usize) {
        if taken {
            self.sip_sent += 1;
            self.sip_octets += octets as u64;
        } else {
            self.sip_lost += 1;
        }
    }

    /// Counts what the endpoint tells.
    pub(crate) fn endpoint(&mut self, counted: Counted) {
        let counter = match counted {
            Counted::Dropped(_) | Counted::Refused(_) => &mut self.sip_malformed,
            Counted::StrayResponse
            | Counted::StrayAck
            | Counted::NoDialog
            | Counted::NoTransaction => &mut self.sip_stray,
            Counted::Elsewhere => &mut self.sip_elsewhere,
            Counted::OutOfOrder | Counted::Merged | Counted::Barred(_) | Counted::Withheld => {
                &mut self.sip_refused
            }
            Counted::Denied => &mut self.sip_denied,
            Counted::Challenged | Counted::Stale => &mut self.sip_challenged,
            Counted::Unchallenged => &mut self.limited_challenges,
            Counted::Full | Counted::Unanswered => &mut self.sip_full,
            Counted::Misuse | Counted::Unbuildable => &mut self.sip_misuse,
        };
        *counter += 1;
    }
}
