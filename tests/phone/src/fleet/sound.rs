//! The audio of one leg: sends at its pace, and judges every packet that comes.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::{Side, SoundView};
use crate::random::Random;
use crate::rtp::{Mark, Packet, clock_ns, marked_payload, read_mark};

/// 20 ms of G.711.
const PAYLOAD_BYTES: usize = 160;
/// Units of the RTP clock in a second.
const CLOCK_HZ: u32 = 8_000;
/// How long a leg that is over listens for what comes late; then its socket is closed.
const LINGER: Duration = Duration::from_secs(2);
/// Packets read of one leg in one look.
const BURST_MAX: usize = 32;

/// Which leg of which fleet: what a packet says of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) run: u32,
    pub(super) call: u32,
    pub(super) side: Side,
}

impl Whose {
    fn to_stream(self) -> u64 {
        let side = u64::from(self.side == Side::Far);
        u64::from(self.run) << 32 | u64::from(self.call) << 1 | side
    }

    fn from_stream(stream: u64) -> Self {
        let word = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
        let side = if stream & 1 == 0 { Side::Near } else { Side::Far };
        Self { run: word(stream >> 32), call: word(stream >> 1) & (u32::MAX >> 1), side }
    }
}

pub(super) struct Sound {
    /// `None` once the leg is long over.
    socket: Option<UdpSocket>,
    over: Option<Instant>,
    local: SocketAddr,
    remote: Option<SocketAddr>,
    run: u32,
    side: Side,
    call: Option<u32>,
    sends: bool,
    receives: bool,
    every: Duration,
    due: Instant,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    place: u64,
    /// Place of the packet that should come next; `None`: whichever comes.
    next: Option<u64>,
    last: Option<Instant>,
    view: SoundView,
}

impl Sound {
    pub(super) fn open(
        ip: IpAddr,
        (run, side, call): (u32, Side, Option<u32>),
        packets_per_s: u32,
        random: &mut Random,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind((ip, 0))?;
        socket.set_nonblocking(true)?;
        let [a, b, c, d, e, f, ..] = random.bits().to_be_bytes();
        let every = Duration::from_secs(1) / packets_per_s.clamp(1, 100);
        let phase = u32::try_from(random.below(1_000)).unwrap_or(0);
        Ok(Self {
            local: socket.local_addr()?,
            socket: Some(socket),
            over: None,
            remote: None,
            run,
            side,
            call,
            sends: false,
            receives: false,
            every,
            // Not all legs at the same moment.
            due: Instant::now() + every * phase / 1_000,
            ssrc: u32::from_be_bytes([a, b, c, d]),
            sequence: u16::from_be_bytes([e, f]),
            timestamp: u32::from_be_bytes([c, d, e, f]),
            place: 0,
            next: Some(0),
            last: None,
            view: SoundView::default(),
        })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(super) fn set_call(&mut self, call: u32) {
        self.call = Some(call);
    }

    /// The session is as said from now on. A change of what is due begins a new count of gaps.
    pub(super) fn set(&mut self, remote: SocketAddr, sends: bool, receives: bool) {
        if self.remote.is_some() && self.receives != receives {
            (self.next, self.last) = (None, None);
        }
        (self.remote, self.sends, self.receives) = (Some(remote), sends, receives);
    }

    /// Nothing more is sent, and silence is no gap.
    pub(super) fn end(&mut self) {
        (self.sends, self.receives) = (false, false);
        self.over = self.over.or(Some(Instant::now()));
    }

    pub(super) fn forget_gap(&mut self) {
        self.view.gap_max = Duration::ZERO;
    }

    pub(super) fn view(&self, now: Instant) -> SoundView {
        let running =
            self.last.filter(|_| self.receives).map(|at| now.saturating_duration_since(at));
        let gap_max = self.view.gap_max.max(running.unwrap_or_default());
        SoundView { gap_max, ..self.view }
    }

    /// Sends what is due.
    pub(super) fn send(&mut self, now: Instant) {
        if self.due > now {
            return;
        }
        while self.due <= now {
            self.due += self.every;
            let step = u128::from(CLOCK_HZ) * self.every.as_micros() / 1_000_000;
            self.timestamp = self.timestamp.wrapping_add(u32::try_from(step).unwrap_or(0));
        }
        let (true, Some(remote), Some(call)) = (self.sends, self.remote, self.call) else { return };
        let Some(socket) = &self.socket else { return };
        let whose = Whose { run: self.run, call, side: self.side };
        let payload = marked_payload(whose.to_stream(), self.place, PAYLOAD_BYTES);
        let packet = Packet {
            marker: self.place == 0,
            payload_type: 0,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload: &payload,
        };
        // UDP tells nothing of what becomes of it.
        let _ = socket.send_to(&packet.to_bytes(), remote);
        self.sequence = self.sequence.wrapping_add(1);
        self.place += 1;
        self.view.sent += 1;
    }

    /// Reads what came; the call that the first packet names, when it was not known.
    pub(super) fn receive(&mut self, now: Instant) -> Option<u32> {
        let mut buffer = [0u8; 2_048];
        let mut named = None;
        if self.over.is_some_and(|at| at + LINGER <= now) {
            self.socket = None;
        }
        for _ in 0..BURST_MAX {
            let Some(socket) = &self.socket else { break };
            let Ok((length, source)) = socket.recv_from(&mut buffer) else { break };
            let bytes = buffer.get(..length).unwrap_or_default();
            named = self.judge(bytes, source, now).or(named);
        }
        named
    }

    fn judge(&mut self, bytes: &[u8], source: SocketAddr, now: Instant) -> Option<u32> {
        let mark = Packet::parse(bytes).map_or(Mark::Foreign, |packet| read_mark(packet.payload));
        let Mark::Good(stamp) = mark else {
            self.view.foreign += 1;
            return None;
        };
        let whose = Whose::from_stream(stamp.stream);
        let call = self.call.unwrap_or(whose.call);
        if whose != (Whose { run: self.run, call, side: self.side.other() }) {
            self.view.foreign += 1;
            return None;
        }
        self.view.strange += u64::from(self.remote != Some(source));
        let delay = clock_ns().saturating_sub(stamp.sent_ns);
        self.view.delay_max = self.view.delay_max.max(Duration::from_nanos(delay));
        self.count(stamp.sequence, now);
        self.call.is_none().then_some(call)
    }

    fn count(&mut self, place: u64, now: Instant) {
        self.view.received += 1;
        match self.next {
            Some(next) if place < next => {
                self.view.behind += 1;
                return;
            }
            Some(next) => self.view.lost += place - next,
            None => {}
        }
        self.next = Some(place + 1);
        if let Some(last) = self.last.replace(now).filter(|_| self.receives) {
            self.view.gap_max = self.view.gap_max.max(now.saturating_duration_since(last));
        }
    }
}
