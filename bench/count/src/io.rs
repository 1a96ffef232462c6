//! A port of memory: [`Io`] whose network is two lists.

use std::collections::VecDeque;
use std::net::SocketAddr;
use strowger_link::Tick;
use strowger_port::net::{
    Io, MediaBurst, MediaPort, OpenError, SIP_BURST_MAX, SendResult, SipDatagram, SipFailure,
    SipPath, Woke,
};

/// Wall clock at tick 0, microseconds.
const WALL_AT_0_US: i64 = 1_767_225_600_000_000;
/// Room for what leaves within a turn, bytes and datagrams.
const OUT_BYTES: usize = 64 * 1024;
const OUT_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct MemoryIo {
    /// The time; a turn does not move it.
    pub now: Tick,
    arriving: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Taken, and freed outside of what is counted.
    taken: Vec<Vec<u8>>,
    leaving: Vec<u8>,
    ends: Vec<(SocketAddr, usize)>,
}

impl Default for MemoryIo {
    fn default() -> Self {
        MemoryIo {
            now: Tick(0),
            arriving: VecDeque::with_capacity(OUT_MAX),
            taken: Vec::with_capacity(OUT_MAX),
            leaving: Vec::with_capacity(OUT_BYTES),
            ends: Vec::with_capacity(OUT_MAX),
        }
    }
}

impl MemoryIo {
    /// A datagram of signalling comes in.
    pub fn arrive(&mut self, from: SocketAddr, data: Vec<u8>) {
        self.taken.clear();
        self.arriving.push_back((from, data));
    }

    /// Takes what has left.
    pub fn take_leaving(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut begin = 0;
        let taken = self.ends.iter().map(|(to, end)| {
            let data = self.leaving.get(begin..*end).unwrap_or_default().to_vec();
            begin = *end;
            (*to, data)
        });
        let taken = taken.collect();
        self.leaving.clear();
        self.ends.clear();
        taken
    }
}

impl Io for MemoryIo {
    fn now(&self) -> Tick {
        self.now
    }

    fn sample(&mut self) -> Tick {
        self.now
    }

    fn wall_us(&self) -> i64 {
        WALL_AT_0_US + (self.now.0 / 1_000) as i64
    }

    fn recv_sip(&mut self, mut sink: impl FnMut(SipDatagram<'_>)) -> usize {
        let mut taken = 0;
        while taken < SIP_BURST_MAX {
            let Some((peer, data)) = self.arriving.pop_front() else { break };
            let path = SipPath { listener: 0, local: Some(super::rig::LISTENER.ip()), peer };
            sink(SipDatagram { path, data: &data, queued_ns: 0 });
            self.taken.push(data);
            taken += 1;
        }
        taken
    }

    fn recv_sip_errors(&mut self, _: impl FnMut(SipFailure)) -> usize {
        0
    }

    fn send_sip(&mut self, path: SipPath, data: &[u8]) -> SendResult {
        self.leaving.extend_from_slice(data);
        self.ends.push((path.peer, self.leaving.len()));
        SendResult::Queued
    }

    fn open_media(&mut self, _: MediaPort) -> Result<(), OpenError> {
        Ok(())
    }

    fn close_media(&mut self, _: MediaPort) {}

    fn recv_media(&mut self, burst: &mut MediaBurst) -> usize {
        burst.clear();
        0
    }

    fn send_media(&mut self, burst: &mut MediaBurst) {
        burst.clear();
    }

    fn flush(&mut self) {}

    fn wait(&mut self, _: Tick) -> Woke {
        Woke::default()
    }
}
