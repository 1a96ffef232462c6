//! HOT PATH
//!
//! What a flow received: sequence numbers by RFC 3550 A.1, loss by A.3, jitter by A.8, all in
//! integers.
//!
//! Two differences to the appendix: there is no probation, for the source is validated by its
//! address; and a source that restarts (new SSRC, or a jump of sequence numbers) begins a new
//! *run*, whose loss is added to that of the runs before.

use crate::limits::{DROPOUT_MAX, MISORDER_MAX};
use core::num::NonZeroU32;
use strowger_link::{SECOND, Tally, Tick};

/// What one flow received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reception {
    packets: u64,
    octets: u64,
    first: Tick,
    last: Tick,
    lost_before: u64,
    run: Run,
    transit: Option<u32>,
    jitter_16: u32,
    jitter_16_max: u32,
    clock_hz: NonZeroU32,
    payload_type: Option<u8>,
}

/// A stretch of one source's packets without a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    ssrc: u32,
    base: u32,
    cycles: u32,
    received: u32,
    highest: u16,
    restart_at: Option<u16>,
}

/// The fields of an RTP packet that matter here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) payload_type: u8,
    /// telephone-event: its packets repeat one timestamp and would look like jitter.
    pub(crate) is_event: bool,
}

impl Reception {
    pub(crate) const fn new(clock_hz: NonZeroU32) -> Reception {
        Reception {
            packets: 0,
            octets: 0,
            first: Tick(0),
            last: Tick(0),
            lost_before: 0,
            run: Run::new(0, 0),
            transit: None,
            jitter_16: 0,
            jitter_16_max: 0,
            clock_hz,
            payload_type: None,
        }
    }

    /// Takes another clock over, as a re-INVITE may bring with another codec.
    pub(crate) fn set_clock(&mut self, clock_hz: NonZeroU32) {
        if self.clock_hz != clock_hz {
            self.clock_hz = clock_hz;
            self.transit = None;
            self.jitter_16 = 0;
            self.jitter_16_max = 0;
        }
    }

    /// What was counted so far, for whoever counts on.
    pub(crate) fn tally(&self) -> Tally {
        let Run { ssrc, base, cycles, received, highest, .. } = self.run;
        Tally {
            packets: self.packets,
            octets: self.octets,
            first: self.first,
            last: self.last,
            flooded: 0,
            lost_before: u32::try_from(self.lost_before).unwrap_or(u32::MAX),
            base,
            cycles,
            received,
            highest,
            ssrc,
            transit: self.transit,
            jitter_16: self.jitter_16,
            jitter_16_max: self.jitter_16_max,
            payload_type: self.payload_type,
        }
    }

    /// Takes over what somebody else has counted on.
    pub(crate) fn absorb(&mut self, tally: &Tally) {
        let Tally { ssrc, base, cycles, received, highest, .. } = *tally;
        self.run = Run { ssrc, base, cycles, received, highest, restart_at: None };
        (self.packets, self.octets) = (tally.packets, tally.octets);
        (self.first, self.last) = (tally.first, tally.last);
        self.lost_before = tally.lost_before.into();
        (self.transit, self.payload_type) = (tally.transit, tally.payload_type);
        (self.jitter_16, self.jitter_16_max) = (tally.jitter_16, tally.jitter_16_max);
    }

    /// Counts an RTP packet of `len` octets.
    pub(crate) fn count_rtp(&mut self, arrival: &Arrival, len: usize, now: Tick) {
        let is_first = self.packets == 0;
        self.count(len, now);
        if is_first || self.run.ssrc != arrival.ssrc {
            self.begin_run(arrival, is_first);
        } else if self.run.count(arrival.sequence) == Step::Restart {
            self.begin_run(arrival, false);
        }
        if !arrival.is_event {
            self.payload_type = Some(arrival.payload_type);
            self.measure_jitter(arrival.timestamp, now);
        }
    }

    /// Counts an RTCP packet of `len` octets.
    pub(crate) fn count_rtcp(&mut self, ssrc: u32, len: usize, now: Tick) {
        self.count(len, now);
        self.run.ssrc = ssrc;
    }

    /// Counts a datagram of another kind.
    pub(crate) fn count(&mut self, len: usize, now: Tick) {
        if self.packets == 0 {
            self.first = now;
        }
        self.last = now;
        self.packets = self.packets.saturating_add(1);
        self.octets = self.octets.saturating_add(len as u64);
    }

    /// Whether an RTP packet continues the last run, its source having been silent for
    /// `silence_ms`: the same SSRC, and a sequence number ahead.
    pub(crate) fn is_continued_by(&self, arrival: &Arrival, silence_ms: u64, now: Tick) -> bool {
        let ahead = arrival.sequence.wrapping_sub(self.run.highest);
        self.is_continued_by_source(arrival.ssrc, silence_ms, now) && (1..0x8000).contains(&ahead)
    }

    /// The same by SSRC alone, for RTCP.
    pub(crate) fn is_continued_by_source(&self, ssrc: u32, silence_ms: u64, now: Tick) -> bool {
        self.run.ssrc == ssrc && self.is_silent(silence_ms, now)
    }

    /// Whether there was a packet, and none for `silence_ms`.
    pub(crate) fn is_silent(&self, silence_ms: u64, now: Tick) -> bool {
        self.packets > 0 && now.ms_since(self.last) >= silence_ms
    }

    fn begin_run(&mut self, arrival: &Arrival, is_first: bool) {
        if !is_first {
            self.lost_before = self.lost_before.saturating_add(self.run.lost());
        }
        self.run = Run::new(arrival.ssrc, arrival.sequence);
        self.transit = None;
    }

    /// RFC 3550 A.8. A step of more than a second is another timeline, not jitter.
    fn measure_jitter(&mut self, timestamp: u32, now: Tick) {
        let transit = units(now, self.clock_hz).wrapping_sub(timestamp);
        let Some(before) = self.transit.replace(transit) else { return };
        let step = (transit.wrapping_sub(before) as i32).unsigned_abs();
        if step <= self.clock_hz.get() {
            let jitter_16 = self.jitter_16;
            self.jitter_16 = jitter_16.saturating_add(step) - (jitter_16.saturating_add(8) >> 4);
            self.jitter_16_max = self.jitter_16_max.max(self.jitter_16);
        }
    }

    /// The clock of its timestamps.
    pub(crate) const fn clock_hz(&self) -> NonZeroU32 {
        self.clock_hz
    }

    /// Packets received.
    pub(crate) const fn packets(&self) -> u64 {
        self.packets
    }

    /// Octets of UDP payload received.
    pub(crate) const fn octets(&self) -> u64 {
        self.octets
    }

    /// Times of the first and the last packet.
    pub(crate) fn span(&self) -> Option<(Tick, Tick)> {
        (self.packets > 0).then_some((self.first, self.last))
    }

    /// Packets lost, RFC 3550 A.3, over all runs; duplicates make up for losses of their run.
    pub(crate) fn lost(&self) -> u64 {
        let running = if self.packets > 0 { self.run.lost() } else { 0 };
        self.lost_before.saturating_add(running)
    }

    /// Jitter at the end, and at its highest, in microseconds.
    pub(crate) fn jitter_us(&self) -> (u32, u32) {
        let us = |jitter_16: u32| {
            let us = u64::from(jitter_16 >> 4) * 1_000_000 / u64::from(self.clock_hz.get());
            u32::try_from(us).unwrap_or(u32::MAX)
        };
        (us(self.jitter_16), us(self.jitter_16_max))
    }

    /// The SSRC last received.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        (self.packets > 0).then_some(self.run.ssrc)
    }

    /// The payload type last received, events apart.
    pub(crate) const fn payload_type(&self) -> Option<u8> {
        self.payload_type
    }
}

/// What a sequence number was to a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Counted,
    Restart,
}

impl Run {
    /// RFC 3550 A.1, init_seq, with its first packet counted.
    const fn new(ssrc: u32, sequence: u16) -> Run {
        let base = sequence as u32;
        Run { ssrc, base, cycles: 0, received: 1, highest: sequence, restart_at: None }
    }

    /// RFC 3550 A.1, update_seq.
    fn count(&mut self, sequence: u16) -> Step {
        let ahead = sequence.wrapping_sub(self.highest);
        if ahead < DROPOUT_MAX {
            if sequence < self.highest {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.highest = sequence;
        } else if ahead <= MISORDER_MAX.wrapping_neg() {
            if self.restart_at == Some(sequence) {
                return Step::Restart;
            }
            self.restart_at = Some(sequence.wrapping_add(1));
            return Step::Counted;
        }
        self.received = self.received.wrapping_add(1);
        Step::Counted
    }

    /// RFC 3550 A.3: expected less received, not below 0.
    fn lost(&self) -> u64 {
        let highest = self.cycles.wrapping_add(u32::from(self.highest));
        let expected = highest.wrapping_sub(self.base).wrapping_add(1);
        let lost = expected.wrapping_sub(self.received) as i32;
        u64::try_from(lost).unwrap_or(0)
    }
}

/// A time in units of a clock, modulo 2^32.
fn units(now: Tick, clock_hz: NonZeroU32) -> u32 {
    let clock_hz = u64::from(clock_hz.get());
    let (seconds, ns) = (now.0 / SECOND, now.0 % SECOND);
    (seconds.wrapping_mul(clock_hz).wrapping_add(ns * clock_hz / SECOND)) as u32
}

#[cfg(test)]
mod tests;
