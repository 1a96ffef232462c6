//! What becomes of a SIP datagram before the endpoint sees it: `LIFECYCLE.md` beside this crate
//! tells the whole.

mod delay;
mod repeat;
mod stranger;
mod stun;
mod unwanted;

use crate::connection::Streams;
use crate::count::Counts;
use crate::edge::{Networks, Place, Sources, Verdict};
use delay::{Delay, Level};
use repeat::Repeats;
use std::net::{IpAddr, SocketAddr};
use stranger::{Kind, Strangers};
use strowger_link::siphash::siphash24;
use strowger_link::{Key, Tick};
use strowger_port::net::{LISTENERS_MAX, SipPath};
use strowger_sip::{Method, Scan, ScanRefusal, refuse, refused_tag, request_hash, scan};
use unwanted::{Sign, Unwanted};

/// The longest Retry-After of a node that is overloaded, in seconds.
const RETRY_AFTER_S_MAX: u64 = 3;
/// Most networks that the limits of strangers do not touch.
pub const EXEMPT_MAX: usize = 256;
pub use unwanted::UNWANTED_MAX;
/// Most emergency numbers that are looked for under overload.
const EMERGENCIES_MAX: usize = 1_024;

/// What a shard takes on, and how long anything may wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// A datagram that has waited longer than this in the system's queue is late, milliseconds.
    pub delay_ms: u32,
    /// When late datagrams have come for so long, new requests are refused, milliseconds.
    pub interval_ms: u32,
    /// A new request that has waited longer than this gets no answer then, milliseconds.
    pub silence_ms: u32,
    /// Datagrams a second of a source that is no trunk; 0 = no limit.
    pub stranger_datagrams: u32,
    /// Requests a second of such a source that begin something; 0 = no limit.
    pub stranger_requests: u32,
    /// Challenges a second to such a source; 0 = no limit.
    pub stranger_challenges: u32,
    /// Networks whose sources have no such limits: address and prefix length. At most
    /// [`EXEMPT_MAX`].
    pub exempt: Vec<(IpAddr, u8)>,
    /// Programs whose requests are dropped, by what they call themselves in User-Agent, in either
    /// case: the whole name below five characters, else a part of it. At most [`UNWANTED_MAX`].
    pub agents: Vec<String>,
    /// Programs whose requests alone are taken, by the same rule; empty = all. At most
    /// [`UNWANTED_MAX`].
    pub served: Vec<String>,
    /// Beginnings of numbers that nobody is called at: who calls one gives itself away. At most
    /// [`UNWANTED_MAX`].
    pub honeypots: Vec<String>,
    /// Units of work that are taken on; 0 = no limit.
    pub units: u64,
    /// The control plane is too slow when its oldest ask is older, milliseconds.
    pub ask_ms: u32,
    /// The same while it is away or has just come back.
    pub ask_away_ms: u32,
    /// Media that has waited longer is dropped, milliseconds; 0 = never.
    pub media_late_ms: u32,
    /// Connections.
    pub streams: Streams,
    /// What becomes of strangers who show no credentials, by listener; beyond the list they are
    /// challenged.
    pub unproven: Vec<Unproven>,
}

/// What becomes of strangers who show no credentials.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Unproven {
    /// They are challenged.
    #[default]
    Challenge,
    /// They are refused, whatever they show.
    Refuse,
    /// Their INVITEs are asked about.
    Ask,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            delay_ms: 50,
            interval_ms: 100,
            silence_ms: 200,
            stranger_datagrams: 4_000,
            stranger_requests: 400,
            stranger_challenges: 200,
            exempt: Vec::new(),
            agents: Vec::new(),
            served: Vec::new(),
            honeypots: Vec::new(),
            units: 0,
            ask_ms: 500,
            ask_away_ms: 3_000,
            media_late_ms: 100,
            streams: Streams::default(),
            unproven: Vec::new(),
        }
    }
}

/// What is to become of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// The endpoint takes it. Whether its sender may be challenged.
    Pass { may_challenge: bool },
    /// [`Front::answer`] goes to this address: a refusal, or an answer to STUN.
    Answer(SocketAddr),
    /// Nothing; it is counted.
    Drop,
}

/// See the module.
pub(crate) struct Front {
    key: Key,
    delays: [Delay; LISTENERS_MAX],
    repeats: Repeats,
    strangers: Strangers,
    exempt: Networks,
    unwanted: Unwanted,
    /// The edge snapshot has come: who is no trunk is a stranger.
    knows: bool,
    /// Sorted.
    emergencies: Vec<Box<[u8]>>,
    answer: Vec<u8>,
    refused: u64,
    /// The longest delay since it was asked last.
    longest_ns: u64,
}

/// A datagram and how long it waited.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) path: &'a SipPath,
    pub(crate) data: &'a [u8],
    pub(crate) queued_ns: u64,
    /// Token of the connection that it came by; 0 = a datagram.
    pub(crate) flow: u64,
}

impl Front {
    /// `key` is secret.
    pub(crate) fn new(limits: &Limits, key: Key) -> Front {
        let exempt = limits.exempt.iter().take(EXEMPT_MAX);
        let exempt: Vec<Place> = exempt.map(|(ip, len)| Place::new(*ip, *len, 0)).collect();
        Front {
            key,
            delays: std::array::from_fn(|_| Delay::new(limits)),
            repeats: Repeats::new(),
            strangers: Strangers::new(limits, key),
            exempt: Networks::compile(&exempt),
            unwanted: Unwanted::new(limits),
            knows: false,
            emergencies: Vec::new(),
            answer: Vec::with_capacity(2_048),
            refused: 0,
            longest_ns: 0,
        }
    }

    /// The edge snapshot has come, with numbers that pass whatever the load. Before the first one
    /// nobody is limited as a stranger.
    pub(crate) fn set_emergencies<'a>(&mut self, numbers: impl Iterator<Item = &'a str>) {
        self.knows = true;
        let numbers = numbers.take(EMERGENCIES_MAX).filter(|number| !number.is_empty());
        self.emergencies = numbers.map(|number| number.as_bytes().into()).collect();
        self.emergencies.sort_unstable();
    }

    /// Whether a datagram is a request to an emergency number.
    pub(crate) fn is_emergency(&self, data: &[u8]) -> bool {
        !self.emergencies.is_empty() && scan(data).is_some_and(|scan| self.calls_help(&scan))
    }

    fn calls_help(&self, scan: &Scan<'_>) -> bool {
        let user = scan.called_user();
        self.emergencies.binary_search_by(|number| (**number).cmp(user)).is_ok()
    }

    /// A datagram came.
    pub(crate) fn handle(
        &mut self,
        arrival: Arrival<'_>,
        sources: &Sources,
        counts: &mut Counts,
        now: Tick,
    ) -> Fate {
        let Arrival { path, data, queued_ns, flow } = arrival;
        self.longest_ns = self.longest_ns.max(queued_ns);
        let delay = self.delays.get_mut(usize::from(path.listener));
        let level = delay.map_or(Level::Open, |delay| delay.handle(queued_ns, now));
        let is_denied = sources.verdict(path.peer) == Verdict::Deny;
        let is_stranger = self.is_stranger(path.peer, sources);
        if is_stranger && !self.strangers.take(path.peer.ip(), Kind::Datagram, now) {
            counts.limited_datagrams += 1;
            return Fate::Drop;
        }
        if flow == 0 && stun::is_stun(data) {
            return self.handle_stun(arrival, (level, is_denied, is_stranger), counts, now);
        }
        let suspects = is_stranger && (self.strangers.asks() || !self.unwanted.is_empty());
        let looks = level != Level::Open || is_denied || suspects;
        let scan = if looks { scan(data) } else { None };
        if let Some(scan) = scan {
            let fate = self.judge(arrival, &scan, level, counts, now);
            let Fate::Pass { .. } = fate else { return fate };
            if scan.begins_something() && !self.calls_help(&scan) {
                if is_denied {
                    counts.sip_denied += 1;
                    return Fate::Drop;
                }
                if is_stranger && let Some(sign) = self.unwanted.sign(&scan, data) {
                    match sign {
                        Sign::Agent => counts.sip_scanners += 1,
                        Sign::Number => counts.sip_lured += 1,
                    }
                    return Fate::Drop;
                }
                if is_stranger && !self.strangers.take(path.peer.ip(), Kind::Request, now) {
                    counts.limited_requests += 1;
                    return Fate::Drop;
                }
            }
        }
        let may_challenge =
            !is_stranger || self.strangers.has(path.peer.ip(), Kind::Challenge, now);
        Fate::Pass { may_challenge }
    }

    /// A message of STUN. Before the first edge snapshot nobody is known, and nobody answered.
    fn handle_stun(
        &mut self,
        arrival: Arrival<'_>,
        (level, is_denied, is_stranger): (Level, bool, bool),
        counts: &mut Counts,
        now: Tick,
    ) -> Fate {
        let peer = arrival.path.peer;
        if is_denied {
            counts.sip_denied += 1;
            return Fate::Drop;
        }
        let may = self.knows
            && level != Level::Silent
            && (!is_stranger || self.strangers.has(peer.ip(), Kind::Challenge, now));
        let Some(request) = stun::Request::parse(arrival.data).filter(|_| may) else {
            counts.stun_dropped += 1;
            return Fate::Drop;
        };
        if is_stranger {
            // Whether it still had one was looked at just before.
            let _had = self.strangers.take(peer.ip(), Kind::Challenge, now);
        }
        request.answer(peer, &mut self.answer);
        counts.stun_answered += 1;
        Fate::Answer(peer)
    }

    /// What a listener that is late makes of it.
    fn judge(
        &mut self,
        arrival: Arrival<'_>,
        scan: &Scan<'_>,
        level: Level,
        counts: &mut Counts,
        now: Tick,
    ) -> Fate {
        const PASS: Fate = Fate::Pass { may_challenge: true };
        if level == Level::Open {
            return PASS;
        }
        let Arrival { queued_ns, .. } = arrival;
        if scan.method == Some(Method::Ack) {
            let own = scan.to_tag.is_some_and(|tag| *tag == refused_tag(scan, &self.key));
            counts.shed_acks += u64::from(own);
            return if own { Fate::Drop } else { PASS };
        }
        if !scan.begins_something() || self.calls_help(scan) {
            return PASS;
        }
        let sent_by = Tick(now.0.saturating_sub(queued_ns));
        let which = request_hash(scan, &self.key);
        if self.repeats.is_answered_since(which, sent_by) {
            counts.shed_repeats += 1;
            return Fate::Drop;
        }
        if level == Level::Silent {
            counts.shed_silent += 1;
            return Fate::Drop;
        }
        self.repeats.answered(which, now);
        let fate = self.refuse_full(arrival, scan);
        match fate {
            Fate::Answer(_) => counts.shed_refused += 1,
            Fate::Drop | Fate::Pass { .. } => counts.sip_malformed += 1,
        }
        fate
    }

    /// Refuses a request that cannot be taken now, without keeping anything.
    pub(crate) fn refuse_full(&mut self, arrival: Arrival<'_>, scan: &Scan<'_>) -> Fate {
        let retry_after_s = self.retry_after_s();
        let refusal = ScanRefusal { source: arrival.path.peer, key: &self.key, retry_after_s };
        refuse(arrival.data, scan, refusal, &mut self.answer).map_or(Fate::Drop, Fate::Answer)
    }

    /// The answer of [`Fate::Answer`].
    pub(crate) fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// A source was challenged.
    pub(crate) fn challenged(&mut self, source: SocketAddr, sources: &Sources, now: Tick) {
        if self.is_stranger(source, sources) {
            // Whether it still had one was looked at before.
            let _had = self.strangers.take(source.ip(), Kind::Challenge, now);
        }
    }

    /// Nothing waits at any listener.
    pub(crate) fn idle(&mut self, now: Tick) {
        self.delays.iter_mut().for_each(|delay| delay.idle(now));
    }

    /// Listeners that refuse, and the longest delay since this was asked last, microseconds.
    pub(crate) fn report(&mut self) -> (u64, u64) {
        let shedding = self.delays.iter().filter(|delay| delay.is_shedding()).count() as u64;
        (shedding, core::mem::take(&mut self.longest_ns) / 1_000)
    }

    /// Whether the limits of strangers touch a source.
    pub(crate) fn is_stranger(&self, source: SocketAddr, sources: &Sources) -> bool {
        self.knows && !sources.is_trunk(source) && self.exempt.first(source).is_none()
    }

    /// Spread, so that those who were refused do not come back together.
    fn retry_after_s(&mut self) -> u32 {
        self.refused = self.refused.wrapping_add(1);
        let drawn = siphash24(&self.key, &self.refused.to_le_bytes()) % RETRY_AFTER_S_MAX;
        1 + u32::try_from(drawn).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
