//! Audio that says whose it is: each packet names its flow, its number and when it was meant to
//! leave, and fills the rest from these, so that the far end can tell whether what came is what was
//! sent.

use std::net::SocketAddr;

use serde_json::{Value, json};
use strowger_link::{SECOND, Tick};
use strowger_srtp::Fault;

use crate::net::Out;
use crate::pace::{Offer, Pace};
use crate::report::Times;
use crate::secret::{Guard, Guards, Room};

/// Bytes of a packet: 12 of RTP, 160 of sound, 20 ms of G.711.
pub(crate) const PACKET_BYTES: usize = 172;
const MARK: [u8; 4] = *b"SLd1";
/// Where the fill begins.
const FILL_AT: usize = 36;
const PATTERN_BYTES: usize = 4096;
/// How long nothing must come before what is out is written off, nanoseconds.
const SILENCE_NS: u64 = SECOND / 4;

/// One direction of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    /// Socket it leaves by.
    pub(crate) by: u8,
    /// The server's port for it.
    pub(crate) to: SocketAddr,
    /// Socket it must arrive at.
    pub(crate) at: u8,
    /// The server's port that it must come from.
    pub(crate) from: SocketAddr,
    /// Tells this use of the flow's number from others.
    pub(crate) tag: u32,
}

#[derive(Clone, Copy)]
struct Track {
    flow: Flow,
    sent: u32,
    /// Highest number seen, and those below it: bit n = n below.
    highest: u32,
    seen: u64,
}

/// What came of the packets that were meant for one part of the load.
struct Window {
    name: String,
    from: Tick,
    to: Tick,
    sent: u64,
    received: u64,
    delay: Times,
}

impl Window {
    fn told(&self) -> Value {
        json!({
            "part": self.name,
            "sent": self.sent,
            "received": self.received,
            "lost": self.sent.saturating_sub(self.received),
            "delay_ms": self.delay.told(),
        })
    }
}

/// All flows.
pub(crate) struct Media {
    tracks: Vec<Option<Track>>,
    guards: Guards,
    pattern: Vec<u8>,
    /// Flows that are pumped: those below it.
    pumped: usize,
    turn: usize,
    pump: Option<Pace>,
    sent: u64,
    received: u64,
    written_off: u64,
    heard: Tick,
    windows: Vec<Window>,
    corrupt: u64,
    misdirected: u64,
    again: u64,
    reordered: u64,
    stray: u64,
}

impl Media {
    pub(crate) fn new() -> Media {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let pattern = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        });
        Media {
            tracks: Vec::new(),
            guards: Guards::default(),
            pattern: pattern.take(PATTERN_BYTES + PACKET_BYTES).collect(),
            pumped: 0,
            turn: 0,
            pump: None,
            sent: 0,
            received: 0,
            written_off: 0,
            heard: Tick(0),
            windows: Vec::new(),
            corrupt: 0,
            misdirected: 0,
            again: 0,
            reordered: 0,
            stray: 0,
        }
    }

    /// Flow `number` is this from now on.
    pub(crate) fn set(&mut self, number: usize, flow: Flow) {
        if self.tracks.len() <= number {
            self.tracks.resize(number + 1, None);
        }
        if let Some(track) = self.tracks.get_mut(number) {
            *track = Some(Track { flow, sent: 0, highest: 0, seen: 0 });
        }
    }

    /// The flows from `first` on are encrypted where they are the near end's.
    pub(crate) fn guard(&mut self, first: usize, flows: &[Flow; 2], guards: Option<[Guard; 2]>) {
        let guards = guards.into_iter().flatten();
        for ((number, flow), guard) in (first..).zip(flows).zip(guards) {
            self.guards.set(number, flow.from, guard);
        }
    }

    /// Where the first flow goes.
    pub(crate) fn first(&self) -> Option<SocketAddr> {
        self.tracks.iter().flatten().next().map(|track| track.flow.to)
    }

    /// Pumps all flows there are, in turn.
    pub(crate) fn pump(&mut self, offer: Offer, now: Tick) {
        self.pumped = self.tracks.len();
        self.heard = now;
        self.pump = Some(Pace::new(offer, now));
    }

    /// No more packets.
    pub(crate) fn stop(&mut self) {
        self.pump = None;
    }

    /// Packets meant for this time count to a part of this name.
    pub(crate) fn measure(&mut self, name: &str, from: Tick, to: Tick) {
        let (name, delay) = (name.to_owned(), Times::new());
        self.windows.push(Window { name, from, to, sent: 0, received: 0, delay });
    }

    /// The part that a packet counts to; parts follow one another, most packets are of the last.
    fn window(&mut self, intended: Tick) -> Option<&mut Window> {
        let mut windows = self.windows.iter_mut().rev();
        windows.find(|window| (window.from..window.to).contains(&intended))
    }

    /// What is on its way.
    pub(crate) fn under_way(&self) -> u64 {
        self.sent.saturating_sub(self.received + self.written_off)
    }

    /// Of the measured packets, those that arrived.
    pub(crate) fn carried(&self) -> u64 {
        self.windows.iter().map(|window| window.received).sum()
    }

    /// Sends what is due.
    pub(crate) fn work(&mut self, now: Tick, out: &mut Out) {
        let Some(mut pump) = self.pump.take() else { return };
        if now.ns_since(self.heard) > SILENCE_NS {
            self.written_off += self.under_way();
            self.heard = now;
        }
        let busy = usize::try_from(self.under_way()).unwrap_or(usize::MAX);
        pump.starts(now, busy, |intended| {
            let number = self.turn;
            self.turn = (self.turn + 1) % self.pumped.max(1);
            self.send(number, intended, out);
            true
        });
        self.pump = Some(pump);
    }

    /// When to work next.
    pub(crate) fn due(&self) -> Option<Tick> {
        let pump = self.pump.as_ref()?;
        let written_off = Tick(self.heard.0 + SILENCE_NS);
        Some(pump.due().map_or(written_off, |due| due.min(written_off)))
    }

    /// Sends one packet of flow `number`.
    pub(crate) fn send(&mut self, number: usize, intended: Tick, out: &mut Out) {
        let Some(Some(track)) = self.tracks.get_mut(number) else { return };
        track.sent += 1;
        let (count, flow) = (track.sent, track.flow);
        self.sent += 1;
        if let Some(window) = self.window(intended) {
            window.sent += 1;
        }
        let (fill, guards) = (fill(&self.pattern, number, count, flow.tag), &mut self.guards);
        out.send(flow.by, flow.to, |bytes| {
            let begin = bytes.len();
            let (wide, seq) = (number as u32, count as u16);
            bytes.extend_from_slice(&[0x80, 0]);
            bytes.extend_from_slice(&seq.to_be_bytes());
            bytes.extend_from_slice(&count.wrapping_mul(160).to_be_bytes());
            bytes.extend_from_slice(&(flow.tag ^ (wide << 1)).to_be_bytes());
            bytes.extend_from_slice(&MARK);
            bytes.extend_from_slice(&flow.tag.to_be_bytes());
            bytes.extend_from_slice(&wide.to_be_bytes());
            bytes.extend_from_slice(&count.to_be_bytes());
            bytes.extend_from_slice(&intended.0.to_be_bytes());
            bytes.extend_from_slice(fill);
            guards.seal(number, bytes, begin);
        });
    }

    /// A datagram that came to a media socket.
    pub(crate) fn take(&mut self, at: u8, from: SocketAddr, data: &[u8], now: Tick) {
        let mut room = Room::new();
        match self.guards.open(from, data, &mut room) {
            None => self.take_plain(at, from, data, now),
            Some(Ok(len)) => self.take_plain(at, from, room.get(len), now),
            Some(Err(Fault::Replayed)) => self.again += 1,
            Some(Err(Fault::Malformed | Fault::Forged)) => self.corrupt += 1,
        }
    }

    fn take_plain(&mut self, at: u8, from: SocketAddr, data: &[u8], now: Tick) {
        let Some((tag, number, count, intended)) = read(data) else {
            self.stray += 1;
            return;
        };
        let Some(Some(track)) = self.tracks.get_mut(number) else {
            self.stray += 1;
            return;
        };
        if track.flow.tag != tag {
            // Of the call that had this number before.
            self.stray += 1;
            return;
        }
        let filled = data.get(FILL_AT..) == Some(fill(&self.pattern, number, count, tag));
        if !filled || count > track.sent {
            self.corrupt += 1;
            return;
        }
        if (at, from) != (track.flow.at, track.flow.from) {
            self.misdirected += 1;
            return;
        }
        match track.arrived(count) {
            Arrival::Again => {
                self.again += 1;
                return;
            }
            Arrival::Late => self.reordered += 1,
            Arrival::Next => {}
        }
        self.received += 1;
        self.heard = now;
        if let Some(window) = self.window(intended) {
            window.received += 1;
            window.delay.add(intended, now);
        }
    }

    /// What was sent, what arrived, and what should not have.
    pub(crate) fn told(&self) -> Value {
        let sent: u64 = self.windows.iter().map(|window| window.sent).sum();
        let received = self.carried();
        json!({
            "flows": self.tracks.iter().flatten().count(),
            "sent": sent,
            "received": received,
            "lost": sent.saturating_sub(received),
            "corrupt": self.corrupt,
            "misdirected": self.misdirected,
            "again": self.again,
            "reordered": self.reordered,
            "stray": self.stray,
            "written_off": self.written_off,
            "all_sent": self.sent,
            "all_received": self.received,
            "parts": self.windows.iter().map(Window::told).collect::<Vec<_>>(),
        })
    }
}

enum Arrival {
    Next,
    Late,
    Again,
}

impl Track {
    fn arrived(&mut self, count: u32) -> Arrival {
        match count.checked_sub(self.highest) {
            Some(ahead) if ahead > 0 => {
                self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
                self.highest = count;
                Arrival::Next
            }
            Some(_) | None => {
                let bit = 1u64.checked_shl(self.highest - count).unwrap_or(0);
                if bit == 0 || self.seen & bit != 0 {
                    return Arrival::Again;
                }
                self.seen |= bit;
                Arrival::Late
            }
        }
    }
}

/// The fill of a packet.
fn fill(pattern: &[u8], number: usize, count: u32, tag: u32) -> &[u8] {
    let mixed = (number as u32).wrapping_mul(0x9e37_79b1) ^ count.wrapping_mul(0x85eb_ca6b) ^ tag;
    let from = (mixed >> 16) as usize % PATTERN_BYTES;
    pattern.get(from..from + PACKET_BYTES - FILL_AT).unwrap_or_default()
}

/// Tag, flow, number and intended time of a packet of ours.
fn read(data: &[u8]) -> Option<(u32, usize, u32, Tick)> {
    let word = |at: usize| Some(u32::from_be_bytes(data.get(at..at + 4)?.try_into().ok()?));
    if data.len() != PACKET_BYTES || data.get(12..16)? != MARK {
        return None;
    }
    let intended = u64::from(word(28)?) << 32 | u64::from(word(32)?);
    Some((word(16)?, word(20)? as usize, word(24)?, Tick(intended)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// A packet as it leaves, with the media that sent it.
    fn sent() -> (Media, Vec<u8>) {
        let mut media = Media::new();
        media.measure("all", Tick(0), Tick(100));
        media.set(3, Flow { by: 0, to: address(1), at: 1, from: address(2), tag: 7 });
        let mut out = Out::default();
        media.send(3, Tick(5), &mut out);
        let bytes = out.first().to_vec();
        assert_eq!(bytes.len(), PACKET_BYTES);
        (media, bytes)
    }

    #[test]
    fn what_was_sent_is_known_again_once() {
        let (mut media, bytes) = sent();
        media.take(1, address(2), &bytes, Tick(9));
        media.take(1, address(2), &bytes, Tick(9));
        let told = media.told();
        assert_eq!(
            (&told["received"], &told["again"], &told["lost"]),
            (&json!(1), &json!(1), &json!(0))
        );
        assert_eq!(media.under_way(), 0);
    }

    #[test]
    fn what_was_not_sent_is_told() {
        let (mut media, bytes) = sent();
        media.take(0, address(2), &bytes, Tick(9));
        media.take(1, address(1), &bytes, Tick(9));
        for at in FILL_AT..PACKET_BYTES {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            media.take(1, address(2), &bent, Tick(9));
        }
        media.take(1, address(2), &bytes[1..], Tick(9));
        let told = media.told();
        assert_eq!(told["misdirected"], 2);
        assert_eq!(told["corrupt"], PACKET_BYTES - FILL_AT);
        assert_eq!((&told["stray"], &told["received"]), (&json!(1), &json!(0)));
    }
}
