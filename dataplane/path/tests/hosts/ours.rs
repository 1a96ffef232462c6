//! Our host: the dataplane's sockets, and what it gives away.

use std::net::SocketAddr;

use strowger_link::Tally;
use strowger_path::Steering;
use strowger_port::eventfd::EventFd;
use strowger_port::mmsg::{Mmsg, MmsgConfig};
use strowger_port::net::{Io, MediaBurst, MediaPort, Offload};
use strowger_tuning::Config;
use strowger_wire::rtp::Header;

use super::OURS;

/// Where the parties send to, by family: the first one's port and the second one's.
pub(crate) const PORTS: [[MediaPort; 2]; 2] = [
    [MediaPort { address: 0, port: 20_000 }, MediaPort { address: 1, port: 20_002 }],
    [MediaPort { address: 2, port: 20_000 }, MediaPort { address: 3, port: 20_002 }],
];
pub(crate) const ADA: [&str; 2] = ["10.77.1.2:4000", "[fd77:1::2]:4000"];
pub(crate) const BOB: [&str; 2] = ["10.77.2.2:5000", "[fd77:2::2]:5000"];
pub(crate) const SSRC: u32 = 0x0a0b_0c0d;
/// How long something that must not come is waited for, milliseconds.
pub(crate) const SHORT_MS: u64 = 60;
pub(crate) const LONG_MS: u64 = 10_000;

pub(crate) fn config(backend: &str) -> Config {
    let addresses = OURS.map(|ip| format!("\"{ip}\"")).join(", ");
    let text = format!(
        "media.addresses = [{addresses}]\nmedia.interfaces = [\"va\", \"vb\"]\n\
         media.backend = \"{backend}\""
    );
    Config::parse(&text).unwrap()
}

pub(crate) fn at(port: MediaPort) -> SocketAddr {
    SocketAddr::new(OURS[usize::from(port.address)].parse().unwrap(), port.port)
}

/// RTP with a payload of so many bytes.
pub(crate) fn packet(sequence: u16, bytes: usize) -> Vec<u8> {
    packet_of((8, SSRC), sequence, bytes)
}

pub(crate) fn packet_of((payload_type, ssrc): (u8, u32), sequence: u16, bytes: usize) -> Vec<u8> {
    let timestamp = u32::from(sequence).wrapping_mul(160);
    let header = Header { marker: false, payload_type, sequence, timestamp, ssrc };
    let mut octets: Vec<u8> = (0..12 + bytes).map(|at| (at * 7) as u8).collect();
    header.emit(&mut octets).unwrap();
    octets
}

/// Our host: the dataplane's sockets and what it gives away.
pub(crate) struct Ours {
    pub(crate) io: Mmsg,
    burst: MediaBurst,
}

impl Ours {
    pub(crate) fn new(steering: &Steering) -> Ours {
        let mut ours = Ours::floor();
        ours.io.steer(steering.of_shard(0).unwrap()).unwrap();
        PORTS.into_iter().flatten().for_each(|port| ours.io.open_media(port).unwrap());
        ours
    }

    pub(crate) fn floor() -> Ours {
        let io = Mmsg::new(MmsgConfig {
            listeners: Vec::new(),
            media_addresses: OURS.iter().map(|ip| ip.parse().unwrap()).collect(),
            waker: EventFd::new().unwrap(),
            sip_dscp: Vec::new(),
            media_dscp: vec![46, 34, 46, 34],
        });
        Ours { io: io.unwrap(), burst: MediaBurst::new() }
    }

    /// What comes up next; `None` = nothing for a moment.
    pub(crate) fn next(&mut self, ms: u64) -> Option<(MediaPort, SocketAddr, Vec<u8>)> {
        let end = self.io.sample().plus_ms(ms);
        while self.io.now() < end {
            if self.io.recv_media(&mut self.burst) > 0 {
                assert_eq!(self.burst.len(), 1, "one at a time");
                let packet = &self.burst.packets()[0];
                return Some((packet.local(), packet.source(), packet.data().to_vec()));
            }
            self.io.wait(end);
        }
        None
    }

    /// Lets so much time pass, in which nothing comes up.
    pub(crate) fn rest(&mut self, ms: u64) {
        assert_eq!(self.next(ms), None);
    }

    /// Relays one packet by ourselves, as the floor does.
    pub(crate) fn relay(&mut self, out: MediaPort, to: SocketAddr) {
        assert!(self.next(LONG_MS).is_some(), "nothing came up");
        self.burst.packets_mut()[0].send_from(out, to);
        self.io.send_media(&mut self.burst);
    }

    pub(crate) fn give(&mut self, family: usize, to: SocketAddr, tally: &Tally) -> bool {
        let [port, out] = PORTS[family];
        let offload = Offload {
            from: ADA[family].parse().unwrap(),
            to,
            out,
            payload_types: 1 << 8 | 1 << 101,
            event: Some(101),
            clock_hz: 8_000,
            packets_max: 2_000,
        };
        self.io.sample();
        self.io.offload(port, &offload, tally)
    }

    pub(crate) fn give_fresh(&mut self, family: usize, highest: u16) {
        let tally = Tally { ssrc: SSRC, highest, ..Tally::default() };
        // An entry rests for a moment.
        self.rest(2);
        assert!(self.give(family, BOB[family].parse().unwrap(), &tally));
    }

    pub(crate) fn take_back(&mut self, family: usize) -> Option<Tally> {
        self.io.sample();
        self.io.take_back(PORTS[family][0])
    }
}
