//! HOT PATH
//!
//! Media by one socket of each family for all ports of a shard, and by raw sockets.
//!
//! A program of the kernel gives these sockets the packets of all ports that are open
//! ([`crate::flows`]), and each packet brings the port it was sent to. What is sent gets its IP and
//! UDP headers here, in front of the payload, so that it leaves from any port. Nothing else differs
//! from a socket for each port: the same addresses, ports, bytes and class of service; a packet
//! that is longer than the device takes is cut into fragments here, and counted.

mod cut;
mod setup;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use strowger_wire::{ipv4, ipv6, udp};

use super::away::{Away, Offloading};
use super::batch::Batch;
use super::media::send_run;
use crate::burst::{MediaBurst, MediaPacket, Target};
use crate::clock;
use crate::flows::Flows;
use crate::net::{MediaCounters, MediaPort, OpenError};
use crate::offload::Offload;
use cut::{Cutter, Whole};
use strowger_link::{SECOND, Tally, Tick};

/// Families.
const FAMILIES: usize = 2;
/// How often one socket is read for one burst: packets for ports that are not open fill none.
const ROUNDS_MAX: usize = 4;
/// Hops that a packet may take.
const HOPS: u8 = 64;
/// A packet up to this length fits every link (RFC 8200 section 5), so it is never cut on its way.
const WHOLE_BYTES_MAX: usize = 1_280;
const V4_BYTES: usize = ipv4::HEADER_LEN + udp::HEADER_LEN;
const V6_BYTES: usize = ipv6::HEADER_LEN + udp::HEADER_LEN;

const _: () = assert!(V6_BYTES <= crate::burst::HEADROOM_BYTES);

/// What one shard's media goes by.
pub struct Steering {
    /// This shard.
    pub shard: u8,
    /// Sockets of [`super::bind_shared`], at most one of each family.
    pub sockets: Vec<UdpSocket>,
    /// Sockets of [`super::bind_raw`], one for each media address, in order.
    pub raws: Vec<OwnedFd>,
    /// The ports.
    pub flows: Flows,
    /// What flows are given to the kernel's program by; `None` = it relays none.
    pub offloading: Option<Offloading>,
}

/// A local media address.
struct Address {
    ip: IpAddr,
    raw: OwnedFd,
    /// The mark of what leaves from it.
    dscp: u8,
}

impl Address {
    /// Sends a packet with its headers in fragments; `false` = it does not leave.
    fn cut(&self, cutter: &mut Cutter, packet: &MediaPacket) -> bool {
        let Some(Target { to, .. }) = packet.target() else { return false };
        let whole = Whole { from: self.ip, to: to.ip(), dscp: self.dscp };
        let datagram = packet.headed(udp::HEADER_LEN);
        datagram.is_some_and(|datagram| cutter.send(self.raw.as_fd(), &whole, datagram).is_ok())
    }
}

/// A socket that takes packets.
struct Shared {
    socket: UdpSocket,
    is_ready: bool,
}

pub(super) struct Steered {
    shard: u8,
    addresses: Box<[Address]>,
    /// IPv4, IPv6.
    shared: [Option<Shared>; FAMILIES],
    /// Which of them is read first.
    first: usize,
    flows: Flows,
    away: Option<Box<Away>>,
    /// For each port whether it is open: ours to read without the kernel's cache lines.
    open: Box<[bool]>,
    open_count: usize,
    /// Packets to send: address, place in the burst.
    order: Box<[(u32, u16)]>,
    batch: Batch,
    /// When the kernel's program was last told that we live.
    stamped: Tick,
    /// Of the next IPv4 packet; never 0, for which the kernel would look for one.
    ident: u16,
    /// For packets that are longer than their device takes.
    cutter: Cutter,
}

impl Steered {
    pub(super) fn open_count(&self) -> usize {
        self.open_count
    }

    pub(super) fn open(&mut self, port: MediaPort) -> Result<(), OpenError> {
        let place = self.flows.place(port).and_then(|place| self.open.get_mut(place));
        match place {
            None => return Err(OpenError::NoAddress),
            Some(true) => return Err(OpenError::InUse),
            Some(place) => *place = true,
        }
        self.open_count += 1;
        self.flows.give(port, self.shard);
        Ok(())
    }

    pub(super) fn close(&mut self, port: MediaPort) {
        let place = self.flows.place(port).and_then(|place| self.open.get_mut(place));
        let Some(place) = place.filter(|place| **place) else { return };
        *place = false;
        self.open_count -= 1;
        self.flows.close(port);
        // Its counts are of no use to anybody.
        let _carried = self.away().and_then(|away| away.offloads().take_back(port, self.stamped));
    }

    /// Whether flows can be given to the kernel's program.
    pub(super) fn offloads(&self) -> bool {
        self.away.is_some()
    }

    /// Gives the flow of an open port to the kernel's program, if its way is known.
    pub(super) fn offload(
        &mut self,
        port: MediaPort,
        given: (&Offload, &Tally),
        now: Tick,
    ) -> bool {
        let address = self.addresses.get(usize::from(given.0.out.address));
        let Some((ip, dscp)) = address.map(|address| (address.ip, address.dscp)) else {
            return false;
        };
        let is_open = self.is_open(port) && self.is_open(given.0.out);
        let away = self.away.as_mut().filter(|_| is_open);
        away.is_some_and(|away| away.give(port, given, (ip, dscp), now))
    }

    /// Looks after a flow that is away.
    pub(super) fn look_after(&mut self, port: MediaPort, now: Tick) -> bool {
        let Some(away) = &mut self.away else { return false };
        let Some(given) = away.offloads().given(port) else { return false };
        let address = self.addresses.get(usize::from(given.out.address));
        address.is_some_and(|address| {
            away.look_after(port, (given.to.ip(), address.ip, address.dscp), now)
        })
    }

    /// What is known of flows that are away.
    pub(super) fn away(&self) -> Option<&Away> {
        self.away.as_deref()
    }

    fn is_open(&self, port: MediaPort) -> bool {
        self.flows.place(port).and_then(|place| self.open.get(place)).is_some_and(|open| *open)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.shared.iter().flatten().any(|shared| shared.is_ready)
    }

    pub(super) fn mark_ready(&mut self, family: u32) {
        let shared = self.shared.iter_mut().zip(0u32..).find(|(_, number)| *number == family);
        if let Some((Some(shared), _)) = shared {
            shared.is_ready = true;
        }
    }

    /// Shows the kernel's program that we live, each second.
    pub(super) fn stamp(&mut self, now: Tick) {
        if now.ns_since(self.stamped) >= SECOND {
            self.stamped = now;
            self.flows.stamp(self.shard, now);
        }
    }

    /// What the kernel dropped before us.
    pub(super) fn limited(&self) -> u64 {
        self.flows.limited(self.shard)
    }

    pub(super) fn receive(
        &mut self,
        burst: &mut MediaBurst,
        counters: &mut MediaCounters,
    ) -> usize {
        let wall_ns = if self.is_ready() { clock::wall_ns() } else { 0 };
        for turn in 0..FAMILIES {
            let family = (self.first + turn) % FAMILIES;
            for _ in 0..ROUNDS_MAX {
                let shared = self.shared.get_mut(family).and_then(Option::as_mut);
                let Some(shared) = shared.filter(|shared| shared.is_ready) else { break };
                let free = burst.free_mut();
                let wanted = free.len();
                if wanted == 0 {
                    break;
                }
                let buffers = free.iter_mut().map(MediaPacket::room_mut);
                let got = self.batch.receive(shared.socket.as_fd(), buffers).unwrap_or(0);
                shared.is_ready = got == wanted;
                let kept = self.keep(burst.free_mut(), got, wall_ns, counters);
                burst.advance(kept);
            }
        }
        // Neither waits for a flood of the other.
        self.first = (self.first + 1) % FAMILIES;
        counters.received += burst.len() as u64;
        burst.len()
    }

    /// Tells the first `got` packets what came into them; returns how many are whole and for an
    /// open port. Those come first, in order.
    fn keep(
        &self,
        packets: &mut [MediaPacket],
        got: usize,
        wall_ns: i64,
        counters: &mut MediaCounters,
    ) -> usize {
        let mut kept = 0;
        for at in 0..got {
            let Some(received) = self.batch.received(at) else { continue };
            let (Some(source), Some(original), false) =
                (received.source, received.told.original, received.truncated)
            else {
                counters.malformed += 1;
                continue;
            };
            // One that was closed a moment ago, or our own socket's, which nobody is told of.
            let Some(port) = self.port_of(original).filter(|port| self.is_open(*port)) else {
                continue;
            };
            let queued_ns = received.told.received_ns.map_or(0, |ns| wall_ns.saturating_sub(ns));
            let queued_ns = u32::try_from(queued_ns.max(0)).unwrap_or(u32::MAX);
            if let Some(packet) = packets.get_mut(at) {
                packet.arrived(port, source, received.len, queued_ns);
            }
            if kept != at {
                packets.swap(kept, at);
            }
            kept += 1;
        }
        kept
    }

    fn port_of(&self, local: SocketAddr) -> Option<MediaPort> {
        let address = self.addresses.iter().position(|address| address.ip == local.ip())?;
        Some(MediaPort { address: u8::try_from(address).ok()?, port: local.port() })
    }

    pub(super) fn send(&mut self, burst: &mut MediaBurst, counters: &mut MediaCounters) {
        let mut count = 0;
        for (place, packet) in burst.packets_mut().iter_mut().enumerate() {
            let Some(target) = packet.target() else { continue };
            match self.write_headers(packet, target).and_then(|()| self.order.get_mut(count)) {
                Some(next) => {
                    *next = (u32::from(target.from.address), place as u16);
                    count += 1;
                }
                None => counters.failed += 1,
            }
        }
        let order = self.order.get_mut(..count).unwrap_or_default();
        // By address, and in the burst's order inside: places differ, so unstable is stable here.
        order.sort_unstable();
        for (at, (address, place)) in order.iter().enumerate() {
            let packet = burst.packets().get(usize::from(*place));
            let header = match self.addresses.get(*address as usize).map(|address| address.ip) {
                Some(IpAddr::V6(_)) => V6_BYTES,
                Some(IpAddr::V4(_)) | None => V4_BYTES,
            };
            if let Some((packet, mut to)) =
                packet.and_then(|packet| Some((packet.headed(header)?, packet.target()?.to)))
            {
                // Raw sockets take a protocol there.
                to.set_port(0);
                self.batch.prepare(at, to, None, packet);
            }
        }
        let mut from = 0;
        while let Some((address, _)) = self.order.get(..count).and_then(|order| order.get(from)) {
            let order = self.order.get(from..count).unwrap_or_default();
            let run = order.iter().take_while(|(other, _)| other == address).count();
            if let Some(address) = self.addresses.get(*address as usize) {
                let (raw, mut cut, cutter) = (address.raw.as_fd(), 0, &mut self.cutter);
                let too_long = |at: usize| {
                    let place = order.get(at - from).map(|(_, place)| usize::from(*place));
                    let packet = place.and_then(|place| burst.packets().get(place));
                    let is_cut = packet.is_some_and(|packet| address.cut(cutter, packet));
                    cut += u64::from(is_cut);
                    is_cut
                };
                send_run(&mut self.batch, raw, (from, from + run), counters, too_long);
                counters.fragmented += cut;
            }
            from += run;
        }
    }

    /// Writes both headers in front of the payload; `None` = it cannot leave from there.
    fn write_headers(&mut self, packet: &mut MediaPacket, target: Target) -> Option<()> {
        if !self.is_open(target.from) {
            return None;
        }
        let address = self.addresses.get(usize::from(target.from.address))?;
        let source = SocketAddr::new(address.ip, target.from.port);
        match (address.ip, target.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let whole = packet.headed_mut(V4_BYTES)?;
                let dont_fragment = whole.len() <= WHOLE_BYTES_MAX;
                let (header, datagram) = whole.split_at_mut_checked(ipv4::HEADER_LEN)?;
                udp::emit(datagram, source, target.to).ok()?;
                self.ident = self.ident.checked_add(1).unwrap_or(1);
                let fields = ipv4::Header {
                    source: from,
                    destination: to,
                    protocol: ipv4::PROTOCOL_UDP,
                    payload_len: u16::try_from(datagram.len()).ok()?,
                    dscp: address.dscp,
                    ttl: HOPS,
                    ident: self.ident,
                    dont_fragment,
                };
                fields.emit(header).ok()
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let whole = packet.headed_mut(V6_BYTES)?;
                let (header, datagram) = whole.split_at_mut_checked(ipv6::HEADER_LEN)?;
                udp::emit(datagram, source, target.to).ok()?;
                let fields = ipv6::Header {
                    source: from,
                    destination: to,
                    next_header: ipv4::PROTOCOL_UDP,
                    payload_len: u16::try_from(datagram.len()).ok()?,
                    dscp: address.dscp,
                    hop_limit: HOPS,
                };
                fields.emit(header).ok()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }
}
