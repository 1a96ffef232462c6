//! HOT PATH
//!
//! What a party says by RTCP of the stream that it is sent: packets lost, jitter, and, by the
//! sender reports that were passed on to it, the round trip between it and us (RFC 3550 6.4.1).
//!
//! Reports go on to the other side as they came; they are only read. A report is one in some
//! hundred packets, and what is kept of it has a place beside the flows, so that packets of media
//! touch none of it. Of SRTCP nothing can be read.

use core::num::NonZeroU32;
use strowger_link::Tick;
use strowger_wire::rtcp::{Compound, Packet, ReportBlock};

/// Sender reports of a party that are remembered: a receiver may answer the one before the last.
const STAMPS: usize = 2;
/// A round trip beyond this is no measurement but a clock that was set, microseconds.
const ROUND_TRIP_US_MAX: u64 = 30_000_000;
/// What a time in 1/65536 s may be off by, microseconds.
const STEP_US: u64 = 16;
/// Of a new round trip one part of so many is taken over, as RFC 6298 does.
const SMOOTHING: u32 = 8;

/// What came by RTCP from one party.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Hearing {
    /// Its own sender reports, the last one first: the other party's blocks refer to them.
    stamps: [Stamp; STAMPS],
    /// The stream that its last block was about.
    ssrc: u32,
    /// Blocks about the stream that it is sent.
    reports: u32,
    /// Packets lost of streams before this one.
    lost_before: u32,
    /// Packets lost of this stream.
    lost: u32,
    /// Interarrival jitter, in units of that stream's clock.
    jitter: u32,
    round_trip_us: u32,
    round_trip_us_max: u32,
}

/// A sender report that passed us.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Stamp {
    /// The middle 32 bits of its NTP time; 0 for none.
    ntp: u32,
    /// When it passed.
    at: Tick,
}

/// What a party tells of how it hears the other one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Reports that told it.
    pub reports: u32,
    /// Packets that it misses, of all that the other party sent: duplicates make up for some.
    pub lost: u32,
    /// Interarrival jitter where it is, in microseconds.
    pub jitter_us: u32,
    /// Round trip between it and us, smoothed, in microseconds; `None` while nothing measured it.
    pub round_trip_us: Option<u32>,
    /// The longest round trip.
    pub round_trip_us_max: u32,
}

impl Hearing {
    /// Reads a compound packet of this party. `stream` is the SSRC of what it is sent, if that is
    /// known, and `other` what came by RTCP from the other party.
    pub(crate) fn read(
        &mut self,
        octets: &[u8],
        (stream, other): (Option<u32>, &Hearing),
        now: Tick,
    ) {
        let Ok(compound) = Compound::new_checked(octets) else { return };
        for packet in compound.packets() {
            match packet {
                Packet::SenderReport(report) => {
                    self.stamp(report.info().ntp, now);
                    report.reports().for_each(|block| self.take(&block, (stream, other), now));
                }
                Packet::ReceiverReport(report) => {
                    report.reports().for_each(|block| self.take(&block, (stream, other), now));
                }
                Packet::SourceDescription(_) | Packet::Bye(_) | Packet::Other { .. } => {}
            }
        }
    }

    /// What it told; `None` when it told nothing. `clock_hz` is that of the stream it is sent.
    pub(crate) fn heard(&self, clock_hz: NonZeroU32) -> Option<Heard> {
        let jitter_us = u64::from(self.jitter) * 1_000_000 / u64::from(clock_hz.get());
        (self.reports > 0).then_some(Heard {
            reports: self.reports,
            lost: self.lost_before.saturating_add(self.lost),
            jitter_us: u32::try_from(jitter_us).unwrap_or(u32::MAX),
            round_trip_us: (self.round_trip_us > 0).then_some(self.round_trip_us),
            round_trip_us_max: self.round_trip_us_max,
        })
    }

    fn stamp(&mut self, ntp: u64, now: Tick) {
        let [last, _] = self.stamps;
        self.stamps = [Stamp { ntp: (ntp >> 16) as u32, at: now }, last];
    }

    fn take(&mut self, block: &ReportBlock, (stream, other): (Option<u32>, &Hearing), now: Tick) {
        if stream.is_some_and(|ssrc| ssrc != block.ssrc) {
            return;
        }
        if self.reports > 0 && self.ssrc != block.ssrc {
            self.lost_before = self.lost_before.saturating_add(self.lost);
        }
        self.ssrc = block.ssrc;
        self.reports = self.reports.saturating_add(1);
        self.lost = u32::try_from(block.cumulative_lost).unwrap_or(0);
        self.jitter = block.jitter;
        if let Some(us) = other.round_trip_us(block, now) {
            self.measure(us);
        }
    }

    /// The way of a sender report of this party to the other one and of the answer back, without
    /// the time that the other one took; `None` for an answer to none that is remembered.
    fn round_trip_us(&self, block: &ReportBlock, now: Tick) -> Option<u32> {
        let known = |stamp: &&Stamp| stamp.ntp != 0 && stamp.ntp == block.last_sr;
        let stamp = self.stamps.iter().find(known)?;
        let away_us = now.0.checked_sub(stamp.at.0)? / 1_000;
        let held_us = (u64::from(block.delay_since_last_sr) * 1_000_000) >> 16;
        let us = (away_us + STEP_US).checked_sub(held_us).filter(|us| *us <= ROUND_TRIP_US_MAX)?;
        // A round trip of nothing is one that was measured.
        u32::try_from(us.max(1)).ok()
    }

    fn measure(&mut self, us: u32) {
        self.round_trip_us = match self.round_trip_us {
            0 => us,
            // Neither part is above the bound of a round trip, so the sum fits.
            smooth => (smooth - smooth / SMOOTHING).saturating_add(us / SMOOTHING).max(1),
        };
        self.round_trip_us_max = self.round_trip_us_max.max(us);
    }
}

#[cfg(test)]
mod tests {
    use super::{Heard, Hearing};
    use core::num::NonZeroU32;
    use strowger_link::Tick;
    use strowger_wire::rtcp::{Builder, ReportBlock, SenderInfo};

    const VOICE: NonZeroU32 = NonZeroU32::new(8000).unwrap();

    fn at(ms: u64) -> Tick {
        Tick(1_000_000_000).plus_ms(ms)
    }

    fn sender_report(ntp: u64) -> Vec<u8> {
        let mut buffer = [0; 64];
        let mut builder = Builder::new(&mut buffer);
        let info = SenderInfo { ntp, rtp_timestamp: 0, packets: 1, octets: 160 };
        builder.sender_report(7, info, &[]).unwrap();
        builder.finish().to_vec()
    }

    fn report(block: ReportBlock) -> Vec<u8> {
        let mut buffer = [0; 64];
        let mut builder = Builder::new(&mut buffer);
        builder.receiver_report(9, &[block]).unwrap();
        builder.finish().to_vec()
    }

    /// A sends reports that pass at 0 and 5 s; B answers. Each line: when, of which report, after
    /// how long, what is measured.
    #[test]
    fn the_table_of_round_trips() {
        const FIRST: u64 = 0x0001_2345_6789_0000;
        const SECOND: u64 = 0x0001_234a_6789_0000;
        let middle = |ntp: u64| (ntp >> 16) as u32;
        for (ms, last_sr, held_ms, expected) in [
            (5_100, middle(SECOND), 60, Some(40_000)),
            (5_100, middle(FIRST), 5_000, Some(100_000)),
            (5_100, middle(FIRST) + 1, 5_000, None), // none that passed
            (5_100, 0, 0, None),                     // it has heard of none
            (5_100, middle(SECOND), 200, None),      // longer than it is away
            (90_000, middle(SECOND), 1_000, None),   // beyond what a round trip is
            (5_060, middle(SECOND), 60, Some(1)),    // no time at all is a measurement
        ] {
            let (mut a, mut b) = (Hearing::default(), Hearing::default());
            a.read(&sender_report(FIRST), (None, &b), at(0));
            a.read(&sender_report(SECOND), (None, &b), at(5_000));
            let delay_since_last_sr = (held_ms * 65_536_u32).div_ceil(1_000);
            let block = ReportBlock { ssrc: 7, last_sr, delay_since_last_sr, ..Default::default() };
            b.read(&report(block), (Some(7), &a), at(ms));
            let heard = b.heard(VOICE).unwrap();
            let near = |us: Option<u32>| us.map(|us| (us + 500) / 1_000);
            assert_eq!(near(heard.round_trip_us), near(expected), "{ms} {last_sr:x}");
            assert_eq!(a.heard(VOICE), None, "it has reported nothing");
        }
    }

    #[test]
    fn loss_and_jitter_are_those_of_the_stream_that_is_sent() {
        let mut hearing = Hearing::default();
        let none = Hearing::default();
        let block = |ssrc, cumulative_lost, jitter| {
            report(ReportBlock { ssrc, cumulative_lost, jitter, ..Default::default() })
        };
        hearing.read(&block(7, 3, 80), (Some(7), &none), at(0));
        hearing.read(&block(8, 90, 8_000), (Some(7), &none), at(1));
        let expected = Heard {
            reports: 1,
            lost: 3,
            jitter_us: 10_000,
            round_trip_us: None,
            round_trip_us_max: 0,
        };
        assert_eq!(hearing.heard(VOICE), Some(expected));
        // Another stream begins at nothing, and duplicates make no loss.
        hearing.read(&block(8, 2, 16), (Some(8), &none), at(2));
        hearing.read(&block(8, -1, 16), (Some(8), &none), at(3));
        let expected = Heard { reports: 3, lost: 3, jitter_us: 2_000, ..expected };
        assert_eq!(hearing.heard(VOICE), Some(expected));
    }

    #[test]
    fn round_trips_are_smoothed_and_the_longest_is_kept() {
        let mut hearing = Hearing::default();
        for us in [80_000, 160_000, 80_000] {
            hearing.measure(us);
        }
        assert_eq!((hearing.round_trip_us, hearing.round_trip_us_max), (88_750, 160_000));
    }

    #[test]
    fn what_cannot_be_read_tells_nothing() {
        let mut hearing = Hearing::default();
        let whole = report(ReportBlock { ssrc: 7, ..Default::default() });
        for cut in 0..whole.len() {
            hearing.read(&whole[..cut], (None, &Hearing::default()), at(0));
        }
        assert_eq!(hearing, Hearing::default());
    }
}
