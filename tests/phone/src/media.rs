//! The media of one call: an RTP and an RTCP socket, one thread that listens and one that sends at
//! the pace of the packet time.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::forwarder::{Forwarder, ForwarderStats, Impairment, Nat};
use crate::limits::{DATAGRAM_BYTES_MAX, POLL, PORT_PAIRS_MAX};
use crate::peer::Peer;
use crate::random::Random;
use crate::rtp::tally::{MediaReport, Moment, Tally};
use crate::rtp::{Packet, SenderInfo, marked_payload, rtcp_compound};
use crate::sdp::{Key, Sdp, Shake};
use crate::srtp::{Srtp, Vault, fresh_key};

/// G.711 samples, and bytes, in a millisecond.
const BYTES_PER_MS: u32 = 8;
/// Receive buffer of the RTP socket, bytes: a test must not lose packets by itself.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
/// How far the sender may fall behind before it forgets the past instead of sending a burst.
const LAG_MAX: Duration = Duration::from_millis(500);
/// First even port tried for RTP, above the product's default range.
const PORT_FIRST: u16 = 34_000;
/// Even ports tried from there.
const PORT_PAIRS: u64 = 13_000;

/// What `send_rtp` puts into its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Stream id, place and hash: see [`crate::rtp::marked_payload`].
    Marked,
    /// G.711 mu-law silence.
    Silence,
}

/// The network that a phone's media comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// What stands before it.
    pub nat: Nat,
    /// The address that others see.
    pub outside: IpAddr,
    /// The address that the phone knows, and tells in its descriptions.
    pub inside: IpAddr,
}

/// How to open the media of a call.
#[derive(Debug, Clone)]
pub(crate) struct MediaConfig {
    pub(crate) bind: IpAddr,
    pub(crate) ptime_ms: u32,
    pub(crate) rtcp_interval: Duration,
    pub(crate) impairment: Option<Impairment>,
    /// It has no faults then, and no RTCP.
    pub(crate) behind: Option<Behind>,
    pub(crate) srtp: Srtp,
}

#[derive(Debug)]
pub(crate) struct Media {
    shared: Arc<Shared>,
    srtp: Srtp,
    key: [u8; 30],
    forwarder: Option<Forwarder>,
    rtp: SocketAddr,
    rtcp: Option<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
}

/// A part of [`Media`] that may be used while the call's own lock is free.
#[derive(Debug, Clone)]
pub(crate) struct MediaHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// Where RTP goes instead of to the remote side: the forwarder's front.
    detour: Option<SocketAddr>,
    has_rtcp: bool,
    ptime_ms: u32,
    rtcp_interval: Duration,
    stop: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    remote: Option<(SocketAddr, SocketAddr)>,
    sends: bool,
    receives: bool,
    echo: bool,
    ended: bool,
    job: Option<Job>,
    rtcp_due: Instant,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    stream: u64,
    place: u64,
    payload_bytes: u32,
    sent_since_report: bool,
    tally: Tally,
    vault: Option<Vault>,
    /// Keys are agreed on by DTLS; nothing is sent or heard before they are.
    peer: Option<Box<Peer>>,
}

#[derive(Debug)]
struct Job {
    left: u64,
    pattern: Pattern,
    due: Instant,
    first: bool,
}

impl Media {
    pub(crate) fn open(config: &MediaConfig, random: &mut Random) -> io::Result<Self> {
        let (rtp, rtcp) = bind_pair(config.bind, random)?;
        socket2::SockRef::from(&rtp).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        rtp.set_read_timeout(Some(POLL))?;
        rtcp.set_nonblocking(true)?;
        let (rtp_addr, rtcp_addr) = (rtp.local_addr()?, rtcp.local_addr()?);
        let front = SocketAddr::new(config.bind, 0);
        let forwarder = match (config.behind, config.impairment) {
            (Some(Behind { nat, outside, .. }), _) => {
                Some(Forwarder::nat((front, outside), None, nat)?)
            }
            (None, Some(impairment)) => Some(Forwarder::new(front, None, impairment)?),
            (None, None) => None,
        };
        let told = match (config.behind, &forwarder) {
            (Some(behind), _) => Some(SocketAddr::new(behind.inside, rtp_addr.port())),
            (None, Some(forwarder)) => Some(forwarder.open(rtp_addr)?),
            (None, None) => None,
        };
        let stream = random.bits();
        let [a, b, c, d, e, f, ..] = random.bits().to_be_bytes();
        let state = State {
            remote: None,
            sends: false,
            receives: true,
            echo: false,
            ended: false,
            job: None,
            rtcp_due: Instant::now() + config.rtcp_interval,
            ssrc: u32::from_be_bytes([a, b, c, d]),
            sequence: u16::from_be_bytes([e, f]),
            timestamp: u32::from_be_bytes([c, d, e, f]),
            stream,
            place: 0,
            payload_bytes: 0,
            sent_since_report: false,
            tally: Tally::new(stream),
            vault: None,
            peer: match config.srtp.is_dtls() {
                true => Peer::new(random, config.srtp).map(Box::new),
                false => None,
            },
        };
        let shared = Arc::new(Shared {
            rtp,
            rtcp,
            detour: forwarder.as_ref().map(Forwarder::front),
            has_rtcp: config.behind.is_none(),
            ptime_ms: config.ptime_ms,
            rtcp_interval: config.rtcp_interval,
            stop: AtomicBool::new(false),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let (listener, pacer) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || listener.listen()),
            std::thread::spawn(move || pacer.pace()),
        ];
        let rtcp = told.filter(|_| config.behind.is_none()).map(|_| rtcp_addr);
        let (srtp, rtp) = (config.srtp, told.unwrap_or(rtp_addr));
        Ok(Self { shared, srtp, key: fresh_key(random), forwarder, rtp, rtcp, threads })
    }

    /// Addresses for the session description; RTCP only when it is not the next port.
    pub(crate) fn advertised(&self) -> (SocketAddr, Option<SocketAddr>) {
        (self.rtp, self.rtcp)
    }

    pub(crate) fn handle(&self) -> MediaHandle {
        MediaHandle { shared: Arc::clone(&self.shared) }
    }

    pub(crate) fn set_remote(&self, rtp: SocketAddr, rtcp: SocketAddr) {
        if let Some(forwarder) = &self.forwarder {
            forwarder.set_target(rtp);
        }
        self.shared.lock().remote = Some((rtp, rtcp));
        self.shared.changed.notify_all();
    }

    /// What our description says of keys.
    pub(crate) fn say_key(&self, remote: Option<&Sdp>) -> Option<Key> {
        self.srtp.say(&self.key, remote)
    }

    /// What our description says of keys by DTLS.
    pub(crate) fn say_shake(&self, remote: Option<&Sdp>) -> Option<Shake> {
        self.shared.lock().peer.as_ref().map(|peer| peer.say(remote))
    }

    /// The other side's description is in force, as far as keys by DTLS go.
    pub(crate) fn shake(&self, theirs: &Sdp) {
        let mut state = self.shared.lock();
        if let (Some(peer), Some(shake)) = (&mut state.peer, &theirs.shake) {
            peer.hear(shake, theirs.rtp, Instant::now());
        }
        self.shared.changed.notify_all();
    }

    /// The other side's key is in force; none: media is in the clear.
    pub(crate) fn set_key(&self, theirs: Option<&Key>) {
        if self.srtp.is_dtls() {
            return;
        }
        let vault = &mut self.shared.lock().vault;
        match (theirs, vault.as_mut()) {
            (None, _) => *vault = None,
            (Some(theirs), Some(vault)) => vault.change(&theirs.text),
            (Some(theirs), None) => *vault = Vault::new(&self.key, &theirs.text),
        }
    }

    pub(crate) fn set_direction(&self, sends: bool, receives: bool) {
        let mut state = self.shared.lock();
        (state.sends, state.receives) = (sends, receives);
    }

    pub(crate) fn forwarder_stats(&self) -> Option<ForwarderStats> {
        self.forwarder.as_ref().map(Forwarder::stats)
    }

    /// Stops sending and says goodbye in RTCP. The ports stay open to count what comes late.
    pub(crate) fn end(&self) {
        let mut state = self.shared.lock();
        if state.ended {
            return;
        }
        self.shared.send_rtcp(&mut state, true);
        state.ended = true;
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has already said so; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}

impl MediaHandle {
    /// Begins to send; packets that are still to be sent from before are forgotten.
    pub(crate) fn start(&self, packets: u64, pattern: Pattern) {
        let due = Instant::now();
        self.shared.lock().job = Some(Job { left: packets, pattern, due, first: true });
        self.shared.changed.notify_all();
    }

    /// Waits until all are sent; the number left over when `limit` passed or the call ended.
    pub(crate) fn wait_sent(&self, limit: Duration) -> Result<(), u64> {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.lock();
        loop {
            let left = state.job.as_ref().map_or(0, |job| job.left);
            if left == 0 {
                return Ok(());
            }
            let wait = deadline.saturating_duration_since(Instant::now());
            if wait.is_zero() || state.ended {
                return Err(left);
            }
            let waited = self.shared.changed.wait_timeout(state, wait.min(POLL));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn set_echo(&self, echo: bool) {
        self.shared.lock().echo = echo;
    }

    pub(crate) fn report(&self) -> MediaReport {
        self.shared.lock().tally.report()
    }

    pub(crate) fn ptime(&self) -> Duration {
        Duration::from_millis(u64::from(self.shared.ptime_ms))
    }

    pub(crate) fn local(&self) -> io::Result<SocketAddr> {
        self.shared.rtp.local_addr()
    }

    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        self.shared.lock().remote.map(|(rtp, _)| rtp)
    }

    /// True while this side may send (offer and answer, both sides' directions).
    pub(crate) fn sends(&self) -> bool {
        let state = self.shared.lock();
        state.sends && state.remote.is_some() && !state.ended
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn listen(&self) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        while !self.stopped() {
            if let Ok((length, source)) = self.rtp.recv_from(&mut buffer) {
                let bytes = buffer.get(..length).unwrap_or_default();
                if !self.divert(bytes) {
                    self.handle_rtp(bytes, source);
                }
            }
            while let Ok((length, _)) = self.rtcp.recv_from(&mut buffer) {
                let mut state = self.lock();
                let ssrc = state.ssrc;
                let bytes = buffer.get(..length).unwrap_or_default();
                match &mut state.vault {
                    None => state.tally.handle_rtcp(bytes, ssrc),
                    Some(vault) => {
                        if let Some(bytes) = vault.open_rtcp(bytes) {
                            state.tally.handle_rtcp(&bytes, ssrc);
                        }
                    }
                }
            }
        }
    }

    /// Takes what is no RTP from a port where more comes (RFC 7983).
    fn divert(&self, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        let Some(peer) = &mut state.peer else { return false };
        match bytes {
            [128..=191, 192..=223, ..] => {
                let ssrc = state.ssrc;
                let opened = state.vault.as_mut().and_then(|vault| vault.open_rtcp(bytes));
                if let Some(bytes) = opened {
                    state.tally.handle_rtcp(&bytes, ssrc);
                }
                true
            }
            // Nothing is heard before there are keys.
            [128..=191, ..] => state.vault.is_none(),
            _ => {
                peer.handle(bytes, Instant::now());
                self.follow(&mut state);
                true
            }
        }
    }

    /// Does what the peer wants done.
    fn follow(&self, state: &mut State) {
        let remote = state.remote;
        let Some(peer) = &mut state.peer else { return };
        if let Some((to, _)) = remote {
            for bytes in peer.take_out() {
                let _lost = self.rtp.send_to(&bytes, self.detour.unwrap_or(to));
            }
        }
        if let Some(vault) = peer.take_vault() {
            state.vault = Some(vault);
        }
    }

    fn handle_rtp(&self, bytes: &[u8], source: SocketAddr) {
        let mut state = self.lock();
        let moment = match (state.ended, state.receives) {
            (true, _) => Moment::Ended,
            (false, false) => Moment::Held,
            (false, true) => Moment::Live,
        };
        let opened = match &mut state.vault {
            None => None,
            Some(vault) => match vault.open(bytes) {
                Some(opened) => Some(opened),
                None => return,
            },
        };
        let bytes = opened.as_deref().unwrap_or(bytes);
        let Some(packet) = state.tally.handle_rtp(bytes, source, moment) else { return };
        if state.echo && state.sends && !state.ended {
            let back = Packet { ssrc: state.ssrc, ..packet };
            if self.send_rtp(&mut state, &back.to_bytes()) {
                state.tally.counts().echoed += 1;
            }
        }
    }

    fn pace(&self) {
        let mut state = self.lock();
        while !self.stopped() {
            let now = Instant::now();
            if let Some(peer) = &mut state.peer {
                peer.tick(now);
                self.follow(&mut state);
            }
            let next = self.send_due(&mut state, now);
            if now >= state.rtcp_due {
                if !state.ended {
                    self.send_rtcp(&mut state, false);
                }
                state.rtcp_due = now + self.rtcp_interval;
            }
            let wait = next.saturating_duration_since(Instant::now()).min(POLL);
            if wait.is_zero() {
                continue;
            }
            let waited = self.changed.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends what is due; when to look again.
    fn send_due(&self, state: &mut State, now: Instant) -> Instant {
        let ptime = Duration::from_millis(u64::from(self.ptime_ms));
        let waits = state.peer.is_some() && state.vault.is_none();
        let may = state.sends && !state.ended && state.remote.is_some() && !waits;
        let idle = now + POLL;
        let Some(mut job) = state.job.take() else { return idle };
        if job.due > now {
            let due = job.due;
            state.job = Some(job);
            return due;
        }
        if now.duration_since(job.due) > LAG_MAX {
            job.due = now;
        }
        job.due += ptime;
        if may {
            self.send_one(state, &job);
            (job.left, job.first) = (job.left.saturating_sub(1), false);
        }
        // Time goes on while the stream is held.
        state.timestamp = state.timestamp.wrapping_add(self.ptime_ms * BYTES_PER_MS);
        let due = job.due;
        if job.left > 0 {
            state.job = Some(job);
            return due;
        }
        self.changed.notify_all();
        idle
    }

    fn send_one(&self, state: &mut State, job: &Job) {
        let bytes = usize::try_from(self.ptime_ms * BYTES_PER_MS).unwrap_or(0);
        let payload = match job.pattern {
            Pattern::Marked => marked_payload(state.stream, state.place, bytes),
            Pattern::Silence => vec![0xFF; bytes],
        };
        let packet = Packet {
            marker: job.first,
            payload_type: 0,
            sequence: state.sequence,
            timestamp: state.timestamp,
            ssrc: state.ssrc,
            payload: &payload,
        };
        state.sequence = state.sequence.wrapping_add(1);
        let sent = self.send_rtp(state, &packet.to_bytes());
        if matches!(job.pattern, Pattern::Marked) {
            state.place += 1;
            state.tally.counts().sent += u64::from(sent);
        }
    }

    fn send_rtp(&self, state: &mut State, bytes: &[u8]) -> bool {
        let Some((remote, _)) = state.remote else { return false };
        // An error is an ICMP message about an earlier packet: UDP tells nothing about this one.
        let sealed = state.vault.as_mut().map(|vault| vault.seal(bytes));
        let on_wire = sealed.as_deref().unwrap_or(bytes);
        let sent = self.rtp.send_to(on_wire, self.detour.unwrap_or(remote)).is_ok();
        state.tally.counts().sent_packets += 1;
        let payload = u32::try_from(bytes.len()).unwrap_or(0).saturating_sub(12);
        state.payload_bytes = state.payload_bytes.wrapping_add(payload);
        state.sent_since_report = true;
        sent
    }

    fn send_rtcp(&self, state: &mut State, bye: bool) {
        let Some((rtp, rtcp)) = state.remote.filter(|_| self.has_rtcp) else { return };
        let (socket, remote) = match (&state.peer, &state.vault) {
            (None, _) => (&self.rtcp, rtcp),
            (Some(_), Some(_)) => (&self.rtp, rtp),
            (Some(_), None) => return,
        };
        let packets = u32::try_from(state.tally.counts().sent_packets).unwrap_or(u32::MAX);
        let sender = std::mem::take(&mut state.sent_since_report).then_some(SenderInfo {
            timestamp: state.timestamp,
            packets,
            bytes: state.payload_bytes,
        });
        let block = state.tally.report_block();
        let bytes = rtcp_compound(state.ssrc, sender, block, "phone@strowger.test", bye);
        let sealed = state.vault.as_mut().map(|vault| vault.seal_rtcp(&bytes));
        if socket.send_to(sealed.as_deref().unwrap_or(&bytes), remote).is_ok() {
            let rtcp = &mut state.tally.counts().rtcp;
            match sender {
                Some(_) => rtcp.sent_sr += 1,
                None => rtcp.sent_rr += 1,
            }
        }
    }
}

/// An even port and the next one (RFC 3550 11).
fn bind_pair(ip: IpAddr, random: &mut Random) -> io::Result<(UdpSocket, UdpSocket)> {
    for _ in 0..PORT_PAIRS_MAX {
        let offset = u16::try_from(random.below(PORT_PAIRS) * 2).unwrap_or(0);
        let port = PORT_FIRST + offset;
        let rtp = UdpSocket::bind((ip, port));
        if let (Ok(rtp), Ok(rtcp)) = (rtp, UdpSocket::bind((ip, port + 1))) {
            return Ok((rtp, rtcp));
        }
    }
    Err(io::Error::other("no free pair of ports for RTP and RTCP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(ptime_ms: u32, impairment: Option<Impairment>) -> Media {
        let bind = IpAddr::from([127, 0, 0, 1]);
        let rtcp_interval = Duration::from_millis(50);
        let srtp = Srtp::Off;
        let behind = None;
        let config = MediaConfig { bind, ptime_ms, rtcp_interval, impairment, behind, srtp };
        Media::open(&config, &mut Random::fresh()).unwrap()
    }

    fn join(a: &Media, b: &Media) {
        for (from, to) in [(a, b), (b, a)] {
            let (rtp, rtcp) = to.advertised();
            let next = SocketAddr::new(rtp.ip(), rtp.port() + 1);
            from.set_remote(rtp, rtcp.unwrap_or(next));
            from.set_direction(true, true);
        }
    }

    #[test]
    fn packets_keep_their_pace_and_an_echo_comes_back() {
        let (a, b) = (open(20, None), open(20, None));
        join(&a, &b);
        b.handle().set_echo(true);
        let begun = Instant::now();
        a.handle().start(20, Pattern::Marked);
        a.handle().wait_sent(Duration::from_secs(5)).unwrap();
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(375), "20 packets took only {took:?}");
        std::thread::sleep(Duration::from_millis(150));
        let (heard, back) = (b.handle().report(), a.handle().report());
        assert_eq!(heard.stream(back.own_stream).unwrap().received, 20);
        assert_eq!((heard.echoed, heard.sent, back.sent), (20, 0, 20));
        assert_eq!(back.stream(back.own_stream).unwrap().received, 20);
        assert_eq!(back.delay.count, 20);
        assert!(back.rtcp.sr + back.rtcp.rr > 0 && back.rtcp.sent_sr > 0, "{:?}", back.rtcp);
    }

    #[test]
    fn a_held_side_sends_nothing_and_an_ended_side_counts_what_comes() {
        let (a, b) = (open(10, None), open(10, None));
        join(&a, &b);
        a.set_direction(false, true);
        a.handle().start(5, Pattern::Marked);
        assert_eq!(a.handle().wait_sent(Duration::from_millis(80)), Err(5));
        a.set_direction(true, true);
        b.set_direction(true, false);
        a.handle().wait_sent(Duration::from_secs(5)).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(b.handle().report().while_held, 5);
        b.end();
        a.handle().start(3, Pattern::Silence);
        a.handle().wait_sent(Duration::from_secs(5)).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let report = b.handle().report();
        assert_eq!((report.after_end, report.foreign, report.verified), (3, 3, 5));
    }

    #[test]
    fn a_bad_network_can_stand_before_the_port() {
        let loss = Impairment { seed: 5, loss_per_mille: 300, ..Impairment::NONE };
        let (a, b) = (open(10, Some(loss)), open(10, None));
        join(&a, &b);
        a.handle().start(50, Pattern::Marked);
        a.handle().wait_sent(Duration::from_secs(5)).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let lost = a.forwarder_stats().unwrap().to_target.lost;
        let (heard, own) = (b.handle().report(), a.handle().report().own_stream);
        assert!(lost > 3, "{lost}");
        assert_eq!(heard.lost_of(own, 50), lost);
        assert_eq!(heard.sources[0].0, a.advertised().0);
    }
}
