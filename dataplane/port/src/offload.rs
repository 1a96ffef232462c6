//! Flows that a program of the kernel relays by itself, in memory that it reads and writes with us:
//! giving a flow away, taking it back and reading its counts are loads and stores.
//!
//! A second array of the kernel beside [`crate::flows`] (`BPF_F_MMAPABLE`), mapped, with an entry
//! for each even port: RTP goes that way, RTCP never does. The entry is address x pairs + (port -
//! first port) / 2, and has [`OFFLOAD_WORDS`] words:
//!
//! | words | what | written by |
//! |--:|---|---|
//! | 0 | state: bit 0 = away; the rest counts how often, bit 1 is the way in force | shard |
//! | 1-3 | packets, octets, time of the last one | program, while it is away |
//! | 4 | when the last packet would have come at the highest rate | program |
//! | 5 | packets and cycles of the run | program |
//! | 6 | its highest number, its payload type, its transit | program |
//! | 7 | jitter, and its highest | program |
//! | 8 | packets that were too many | program |
//! | 9-10 | first number of the run, packets lost before it; time of the first packet | shard |
//! | 11 | when it was taken back last | shard |
//! | 16-31, 32-47 | two ways: see [`Offload`] and [`Hop`] | shard |
//!
//! *No half entry is ever seen.* A way is written while the entry is not away, and in the place
//! that was not in force before; then the state tells of it, by one store behind all others. The
//! program reads the state once and finds the way by its number. An entry that was taken back rests
//! for [`REST_NS`] before it may be given again, by which time no run of the program that began
//! before is under way. What a run that began before the taking back still counts may be missed: a
//! packet.
//!
//! *What ends a flow that nobody takes back.* Each way has a time at which it is over, which the
//! shard moves on while it looks after the flow, and the program takes no packet of a shard that
//! has not shown for ten seconds that it lives ([`crate::flows::Flows::stamp`]). Packets then go up
//! to the sockets, as they do for an entry that is not away.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use strowger_link::{MS, SECOND, Tally, Tick};

use crate::flows::FlowSpace;
use crate::net::MediaPort;
use crate::shm::Mapping;

/// Words of an entry; the version of this layout is [`FlowSpace::mark`]'s.
pub const OFFLOAD_WORDS: usize = 48;
/// Bytes of an entry.
pub const OFFLOAD_BYTES: usize = OFFLOAD_WORDS * 8;
/// How long an entry rests between two times of being away.
pub const REST_NS: u64 = MS;

const STATE: usize = 0;
const PACKETS: usize = 1;
const OCTETS: usize = 2;
const LAST: usize = 3;
const DUE: usize = 4;
const RUN: usize = 5;
const STREAM: usize = 6;
const JITTER: usize = 7;
const FLOODED: usize = 8;
const BASE: usize = 9;
const FIRST: usize = 10;
const BACK: usize = 11;
/// Where the two ways begin.
const WAYS: [usize; 2] = [16, 32];
const WAY_WORDS: usize = 16;
/// In a way, the word that tells the family, the shard and the like.
const KIND: usize = 14;

const AWAY: u64 = 1;
const INET: u8 = 2;
const INET6: u8 = 10;
const SECOND_NS: u32 = SECOND as u32;
/// No payload type.
const NONE: u8 = 0xff;

const _: () = assert!(WAYS[1] + WAY_WORDS == OFFLOAD_WORDS && BACK < WAYS[0]);

/// What becomes of a flow's packets while it is away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offload {
    /// Where they come from, and from nowhere else.
    pub from: SocketAddr,
    /// Where they go.
    pub to: SocketAddr,
    /// The local port that they leave from.
    pub out: MediaPort,
    /// Payload types that are relayed: bit by number.
    pub payload_types: u128,
    /// That of telephone-event, which is no measure of jitter.
    pub event: Option<u8>,
    /// The clock of its timestamps.
    pub clock_hz: u32,
    /// Packets that it may send in a second; 0 = as many as come.
    pub packets_max: u32,
}

/// How its packets leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop {
    /// By this interface.
    pub interface: u32,
    /// To this neighbour.
    pub next: IpAddr,
    /// The neighbour's address on the cable; zeros = the kernel finds it.
    pub mac: [u8; 6],
    /// At most so long, IP header included.
    pub len_max: u16,
    /// Class of service.
    pub dscp: u8,
}

/// The array, mapped.
#[derive(Clone, Debug)]
pub struct Offloads {
    space: Arc<FlowSpace>,
    words: Arc<Mapping>,
}

impl FlowSpace {
    /// Entries of the array of flows that are away.
    #[must_use]
    pub fn pairs(&self) -> u32 {
        // At most 8 x 32,768.
        self.pairs_of_each() * self.addresses.len() as u32
    }

    fn pairs_of_each(&self) -> u32 {
        (u32::from(self.port_max.saturating_sub(self.port_min)) + 2) / 2
    }

    fn pair(&self, port: MediaPort) -> Option<usize> {
        let known = usize::from(port.address) < self.addresses.len()
            && (self.port_min..=self.port_max).contains(&port.port);
        let offset = u32::from(port.port.checked_sub(self.port_min)?);
        let pair = u32::from(port.address) * self.pairs_of_each() + offset / 2;
        usize::try_from(pair).ok().filter(|_| known && offset.is_multiple_of(2))
    }

    fn port_of(&self, pair: usize) -> Option<MediaPort> {
        let (pair, each) = (u32::try_from(pair).ok()?, self.pairs_of_each());
        let address = u8::try_from(pair / each).ok()?;
        let port = u16::try_from(pair % each * 2).ok()?.checked_add(self.port_min)?;
        Some(MediaPort { address, port })
    }
}

impl Offloads {
    /// Maps an array made for this space.
    ///
    /// # Errors
    /// `InvalidInput`: the space is none. `InvalidData`: the array is not of that size.
    pub fn open(space: FlowSpace, map: BorrowedFd<'_>) -> io::Result<Offloads> {
        if !space.is_valid() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let words = crate::bpf::map_array(map, OFFLOAD_BYTES, space.pairs())?;
        Offloads::over(space, words)
    }

    /// The same over memory that is mapped already.
    ///
    /// # Errors
    /// `InvalidInput`: the space is none. `InvalidData`: the memory is shorter than its array.
    pub fn over(space: FlowSpace, words: Mapping) -> io::Result<Offloads> {
        if !space.is_valid() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let is_whole = words.words().len() >= space.pairs() as usize * OFFLOAD_WORDS;
        if !is_whole {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Offloads { space: Arc::new(space), words: Arc::new(words) })
    }

    /// Gives a flow away until a time: it goes on where its tally is. `false` = it stays, as the
    /// port is none of these, away already, or taken back a moment ago, or its addresses are not of
    /// one family.
    pub fn give(
        &self,
        (port, shard): (MediaPort, u8),
        (offload, hop): (&Offload, &Hop),
        tally: &Tally,
        (until, now): (Tick, Tick),
    ) -> bool {
        let way = self.way((port, shard), (offload, hop), (tally, until));
        let (Some(entry), Some(way)) = (self.entry(port), way) else { return false };
        give(entry, (&way, &words_of(tally)), now, |_| {})
    }

    /// Takes a flow back; what it carried while it was away and before. `None` = it is not away.
    pub fn take_back(&self, port: MediaPort, now: Tick) -> Option<Tally> {
        let entry = self.entry(port)?;
        let state = load(entry, STATE)?;
        let ssrc = way_of(entry, state)?.1;
        store(entry, STATE, state & !AWAY);
        store(entry, BACK, now.0);
        // What is counted from here on is no more than what ran already.
        fence(Ordering::SeqCst);
        tally_of(entry, ssrc)
    }

    /// What a flow that is away carried so far.
    #[must_use]
    pub fn tally(&self, port: MediaPort) -> Option<Tally> {
        let entry = self.entry(port)?;
        let (_, ssrc) = way_of(entry, load(entry, STATE)?)?;
        tally_of(entry, ssrc)
    }

    /// Lets a flow that is away go on until a later time, by the same hop; `false` = it is not
    /// away, or leaves by another one.
    pub fn extend(&self, port: MediaPort, hop: &Hop, until: Tick) -> bool {
        let Some((entry, state)) = self.away(port) else { return false };
        let Some((way, _)) = way_of(entry, state) else { return false };
        let is_same = read_hop(&way).as_ref() == Some(hop);
        if is_same {
            store(entry, place(state), until.0);
        }
        is_same
    }

    /// What a flow that is away was given.
    #[must_use]
    pub fn given(&self, port: MediaPort) -> Option<Offload> {
        let (entry, state) = self.away(port)?;
        let (way, _) = way_of(entry, state)?;
        let (from, to, out) = read_addresses(&way)?;
        let [clock, kind] = halves(*way.get(KIND)?);
        let [_, _, event, _] = kind.to_ne_bytes();
        let types = (*way.get(12)?, *way.get(13)?);
        let [_, cost_ns] = halves(*way.get(10)?);
        let address = self.space.addresses.iter().position(|ip| *ip == out.ip())?;
        Some(Offload {
            from,
            to,
            out: MediaPort { address: u8::try_from(address).ok()?, port: out.port() },
            payload_types: u128::from(types.1) << 64 | u128::from(types.0),
            event: Some(event).filter(|event| *event != NONE),
            clock_hz: clock,
            packets_max: SECOND_NS.checked_div(cost_ns).unwrap_or(0),
        })
    }

    /// The ports of flows of a shard that are away: what a former life of it left.
    pub fn ports_away(&self, shard: u8) -> impl Iterator<Item = MediaPort> + '_ {
        let of_shard = move |entry: &[AtomicU64]| {
            let (way, _) = way_of(entry, load(entry, STATE)?)?;
            let [_, kind] = halves(*way.get(KIND)?);
            let [_, _, _, of] = kind.to_ne_bytes();
            (of == shard).then_some(())
        };
        let entries = self.words.words().chunks_exact(OFFLOAD_WORDS).enumerate();
        let away = entries.filter_map(move |(pair, entry)| of_shard(entry).map(|()| pair));
        away.filter_map(|pair| self.space.port_of(pair))
    }

    fn entry(&self, port: MediaPort) -> Option<&[AtomicU64]> {
        let from = self.space.pair(port)?.checked_mul(OFFLOAD_WORDS)?;
        self.words.words().get(from..from.checked_add(OFFLOAD_WORDS)?)
    }

    fn away(&self, port: MediaPort) -> Option<(&[AtomicU64], u64)> {
        let entry = self.entry(port)?;
        let state = load(entry, STATE)?;
        (state & AWAY != 0).then_some((entry, state))
    }

    fn way(
        &self,
        (port, shard): (MediaPort, u8),
        (offload, hop): (&Offload, &Hop),
        (tally, until): (&Tally, Tick),
    ) -> Option<[u64; WAY_WORDS]> {
        let ip = |port: MediaPort| self.space.addresses.get(usize::from(port.address)).copied();
        let (local, out) = (ip(port)?, ip(offload.out)?);
        let ips = [offload.from.ip(), offload.to.ip(), out, hop.next];
        let is_ipv6 = local.is_ipv6();
        if ips.iter().any(|ip| ip.is_ipv6() != is_ipv6) {
            return None;
        }
        let [from, to, out_words, next] = ips.map(address_words);
        let ports = [offload.from.port(), offload.to.port(), offload.out.port].map(u16::to_be);
        let [from_port, to_port, out_port] = ports;
        let ip_diff = difference(&[offload.from.ip(), local], &[out, offload.to.ip()]);
        let old_ports = [from_port, port.port.to_be()];
        let port_diff = port_difference(old_ports, [out_port, to_port]);
        let kind = [if is_ipv6 { INET6 } else { INET }, hop.dscp & 63];
        let [family, dscp] = kind;
        let event = offload.event.unwrap_or(NONE);
        let cost_ns = SECOND_NS.checked_div(offload.packets_max).unwrap_or(0);
        let [a, b, c, d, e, f] = hop.mac;
        Some([
            until.0,
            from[0],
            from[1],
            to[0],
            to[1],
            out_words[0],
            out_words[1],
            next[0],
            next[1],
            quarters([from_port, to_port, out_port, hop.len_max]),
            joined(u32::from_ne_bytes(pair_of(ip_diff, port_diff)), cost_ns),
            joined(hop.interface, tally.ssrc.to_be()),
            offload.payload_types as u64,
            (offload.payload_types >> 64) as u64,
            joined(offload.clock_hz, u32::from_ne_bytes([family, dscp, event, shard])),
            u64::from_ne_bytes([a, b, c, d, e, f, 0, 0]),
        ])
    }
}

/// Writes an entry that is not away and rested, the state last; `stored` hears of each store.
fn give(
    entry: &[AtomicU64],
    (way, tally): (&[u64; WAY_WORDS], &[(usize, u64)]),
    now: Tick,
    mut stored: impl FnMut(&[AtomicU64]),
) -> bool {
    let (Some(state), Some(back)) = (load(entry, STATE), load(entry, BACK)) else { return false };
    if state & AWAY != 0 || now.ns_since(Tick(back)) < REST_NS {
        return false;
    }
    let state = (state | AWAY).wrapping_add(AWAY) | AWAY;
    for (at, word) in (place(state)..).zip(way) {
        store(entry, at, *word);
        stored(entry);
    }
    for (at, word) in tally {
        store(entry, *at, *word);
        stored(entry);
    }
    if let Some(word) = entry.get(STATE) {
        word.store(state, Ordering::Release);
    }
    stored(entry);
    true
}

/// Where the way in force begins.
const fn place(state: u64) -> usize {
    if state & 2 == 0 { WAYS[0] } else { WAYS[1] }
}

/// The way in force of an entry that is away, and the source of its stream.
fn way_of(entry: &[AtomicU64], state: u64) -> Option<([u64; WAY_WORDS], u32)> {
    let words = entry.get(place(state)..).filter(|_| state & AWAY != 0)?;
    let mut way = [0; WAY_WORDS];
    for (to, from) in way.iter_mut().zip(words) {
        *to = from.load(Ordering::Relaxed);
    }
    let [_, ssrc] = halves(*way.get(11)?);
    Some((way, u32::from_be(ssrc)))
}

/// The words of an entry that a tally is, the source apart.
fn words_of(tally: &Tally) -> [(usize, u64); 10] {
    let [low, high] = tally.highest.to_ne_bytes();
    let payload_type = tally.payload_type.unwrap_or(NONE);
    let stream = [low, high, payload_type, u8::from(tally.transit.is_some())];
    [
        (PACKETS, tally.packets),
        (OCTETS, tally.octets),
        (LAST, tally.last.0),
        (DUE, 0),
        (RUN, joined(tally.received, tally.cycles)),
        (STREAM, joined(u32::from_ne_bytes(stream), tally.transit.unwrap_or(0))),
        (JITTER, joined(tally.jitter_16, tally.jitter_16_max)),
        (FLOODED, tally.flooded.into()),
        (BASE, joined(tally.base, tally.lost_before)),
        (FIRST, tally.first.0),
    ]
}

fn tally_of(entry: &[AtomicU64], ssrc: u32) -> Option<Tally> {
    let [received, cycles] = halves(load(entry, RUN)?);
    let [stream, transit] = halves(load(entry, STREAM)?);
    let [jitter_16, jitter_16_max] = halves(load(entry, JITTER)?);
    let [base, lost_before] = halves(load(entry, BASE)?);
    let [low, high, payload_type, has_transit] = stream.to_ne_bytes();
    Some(Tally {
        packets: load(entry, PACKETS)?,
        octets: load(entry, OCTETS)?,
        first: Tick(load(entry, FIRST)?),
        last: Tick(load(entry, LAST)?),
        flooded: u32::try_from(load(entry, FLOODED)?).unwrap_or(u32::MAX),
        lost_before,
        base,
        cycles,
        received,
        highest: u16::from_ne_bytes([low, high]),
        ssrc,
        transit: (has_transit != 0).then_some(transit),
        jitter_16,
        jitter_16_max,
        payload_type: Some(payload_type).filter(|number| *number != NONE),
    })
}

/// Where packets come from, where they go, and whence they leave.
fn read_addresses(way: &[u64; WAY_WORDS]) -> Option<(SocketAddr, SocketAddr, SocketAddr)> {
    let family = family_of(way)?;
    let at = |word: usize| ip_of(family, [*way.get(word)?, *way.get(word + 1)?]);
    let [from, to, out, _] = quarters_of(*way.get(9)?).map(u16::from_be);
    let address = |ip: IpAddr, port| SocketAddr::new(ip, port);
    Some((address(at(1)?, from), address(at(3)?, to), address(at(5)?, out)))
}

fn read_hop(way: &[u64; WAY_WORDS]) -> Option<Hop> {
    let [interface, _] = halves(*way.get(11)?);
    let [_, _, _, len_max] = quarters_of(*way.get(9)?);
    let [_, kind] = halves(*way.get(KIND)?);
    let [_, dscp, _, _] = kind.to_ne_bytes();
    let next = ip_of(family_of(way)?, [*way.get(7)?, *way.get(8)?])?;
    let mac = *way.get(15)?.to_ne_bytes().first_chunk()?;
    Some(Hop { interface, next, mac, len_max, dscp })
}

fn family_of(way: &[u64; WAY_WORDS]) -> Option<u8> {
    let [_, kind] = halves(*way.get(KIND)?);
    let [family, _, _, _] = kind.to_ne_bytes();
    Some(family)
}

fn load(entry: &[AtomicU64], at: usize) -> Option<u64> {
    entry.get(at).map(|word| word.load(Ordering::Acquire))
}

fn store(entry: &[AtomicU64], at: usize, value: u64) {
    if let Some(word) = entry.get(at) {
        word.store(value, Ordering::Release);
    }
}

/// Two numbers in a word, the first one at the lower address.
fn joined(first: u32, second: u32) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (first.to_ne_bytes(), second.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
}

fn quarters([first, second, third, fourth]: [u16; 4]) -> u64 {
    let half = |first, second| u32::from_ne_bytes(pair_of(first, second));
    joined(half(first, second), half(third, fourth))
}

fn pair_of(first: u16, second: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
    [a, b, c, d]
}

fn quarters_of(word: u64) -> [u16; 4] {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    [[a, b], [c, d], [e, f], [g, h]].map(u16::from_ne_bytes)
}

/// An address as it stands in a packet; of IPv4 the first half of the first word.
fn address_words(ip: IpAddr) -> [u64; 2] {
    match ip {
        IpAddr::V4(ip) => [joined(u32::from_ne_bytes(ip.octets()), 0), 0],
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h, rest @ ..] = ip.octets();
            [u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes(rest)]
        }
    }
}

fn ip_of(family: u8, [first, second]: [u64; 2]) -> Option<IpAddr> {
    match family {
        INET => Some(IpAddr::from(halves(first)[0].to_ne_bytes())),
        INET6 => {
            let mut octets = [0; 16];
            let words = first.to_ne_bytes().into_iter().chain(second.to_ne_bytes());
            octets.iter_mut().zip(words).for_each(|(to, from)| *to = from);
            Some(IpAddr::from(octets))
        }
        _ => None,
    }
}

/// What a checksum changes by when these addresses take the place of those (RFC 1624).
fn difference(old: &[IpAddr], new: &[IpAddr]) -> u16 {
    let words = |ips: &[IpAddr]| -> Vec<u16> {
        let all = ips.iter().flat_map(|ip| address_words(*ip)).flat_map(quarters_of);
        all.collect()
    };
    // What fills up an IPv4 address stands on both sides as often.
    folded(&words(old), &words(new))
}

fn port_difference(old: [u16; 2], new: [u16; 2]) -> u16 {
    folded(&old, &new)
}

fn folded(old: &[u16], new: &[u16]) -> u16 {
    let gone = old.iter().map(|word| u32::from(!*word));
    let sum: u32 = gone.chain(new.iter().map(|word| u32::from(*word))).sum();
    let once = (sum & 0xffff) + (sum >> 16);
    // At most 32 words: the second carry is the last one.
    ((once & 0xffff) + (once >> 16)) as u16
}

#[cfg(test)]
mod tests;
