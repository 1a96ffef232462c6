//! What one side of a call heard, counted: streams by their marks, SSRCs, sources, RTCP, delays.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hdrhistogram::Histogram;

use super::{Mark, Packet, ReportBlock, clock_ns, parse_rtcp, read_mark};
use crate::limits::{STREAM_PACKETS_MAX, STREAMS_MAX};

/// Longest delay that is told apart, us.
const DELAY_US_MAX: u64 = 60_000_000;

/// Everything that one call's media saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediaReport {
    /// Stream that this side sent.
    pub own_stream: u64,
    /// Marked packets sent in that stream.
    pub sent: u64,
    /// RTP packets sent, echoes and silence included.
    pub sent_packets: u64,
    /// Packets that were sent back in echo mode.
    pub echoed: u64,
    /// Datagrams on the RTP port.
    pub received: u64,
    /// Marked packets whose hash is right, doubled ones included.
    pub verified: u64,
    /// Marked packets whose payload was changed.
    pub corrupt: u64,
    /// RTP packets without a mark.
    pub foreign: u64,
    /// Datagrams that are not RTP.
    pub malformed: u64,
    /// Packets that came although this side had said that it does not receive.
    pub while_held: u64,
    /// Packets that came after the call had ended.
    pub after_end: u64,
    /// Payload types seen, ascending.
    pub payload_types: Vec<u8>,
    /// Marked streams in the order of their first packet.
    pub streams: Vec<StreamReport>,
    /// SSRCs in the order of their first packet.
    pub ssrcs: Vec<SsrcReport>,
    /// Changes of the SSRC from one packet to the next.
    pub ssrc_changes: u64,
    /// Source addresses in the order of their first packet, with packets of each.
    pub sources: Vec<(SocketAddr, u64)>,
    /// Changes of the source address from one packet to the next.
    pub source_changes: u64,
    /// One way for streams of this process, there and back for our own stream.
    pub delay: Spread,
    /// Time between packets that arrived one after the other.
    pub gap: Spread,
    /// RTCP both ways.
    pub rtcp: RtcpReport,
}

/// One marked stream as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamReport {
    /// Its id.
    pub stream: u64,
    /// Different packets that arrived.
    pub received: u64,
    /// Missing from 0 to the highest that arrived. What is missing at the end only the sender
    /// knows: see [`MediaReport::lost_of`].
    pub lost: u64,
    /// Arrivals beyond the first of the same packet.
    pub duplicated: u64,
    /// First arrivals behind a higher one.
    pub reordered: u64,
    /// Highest place in the stream that arrived.
    pub highest: u64,
}

/// One SSRC as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SsrcReport {
    /// Its value.
    pub ssrc: u32,
    /// Packets.
    pub packets: u64,
    /// RTP sequence number of the first packet.
    pub first_sequence: u16,
    /// Highest RTP sequence number with cycles counted from the first packet (RFC 3550 A.1).
    pub highest: u32,
}

/// RTCP sent and received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RtcpReport {
    /// Sender reports sent.
    pub sent_sr: u64,
    /// Receiver reports without sender part sent.
    pub sent_rr: u64,
    /// Datagrams received on the RTCP port.
    pub received: u64,
    /// Sender reports received.
    pub sr: u64,
    /// Receiver reports received.
    pub rr: u64,
    /// Source descriptions received.
    pub sdes: u64,
    /// Goodbyes received.
    pub bye: u64,
    /// Datagrams that are not RTCP.
    pub malformed: u64,
    /// The last report about our SSRC.
    pub about_us: Option<ReportBlock>,
}

/// Spread of a measured time, us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    /// Values.
    pub count: u64,
    /// Half are not above this.
    pub p50_us: u64,
    /// 99 of 100 are not above this.
    pub p99_us: u64,
    /// The greatest.
    pub max_us: u64,
}

impl MediaReport {
    /// The received stream of that id.
    #[must_use]
    pub fn stream(&self, stream: u64) -> Option<&StreamReport> {
        self.streams.iter().find(|s| s.stream == stream)
    }

    /// Packets of a stream that did not come although its sender sent `sent`.
    #[must_use]
    pub fn lost_of(&self, stream: u64, sent: u64) -> u64 {
        sent.saturating_sub(self.stream(stream).map_or(0, |s| s.received))
    }

    /// Streams other than `expected` that were heard: strangers.
    #[must_use]
    pub fn strangers(&self, expected: &[u64]) -> Vec<u64> {
        let ids = self.streams.iter().map(|s| s.stream);
        ids.filter(|id| !expected.contains(id)).collect()
    }
}

/// The counting side of [`MediaReport`].
#[derive(Debug)]
pub(crate) struct Tally {
    report: MediaReport,
    seen: BTreeMap<u64, Vec<u64>>,
    jitter: BTreeMap<u32, Jitter>,
    last_ssrc: Option<u32>,
    last_source: Option<SocketAddr>,
    last_arrival_ns: Option<u64>,
    /// The last sender report that came: the middle of its NTP time, and when.
    last_sr: Option<(u32, u64)>,
    delay_us: Option<Histogram<u64>>,
    gap_us: Option<Histogram<u64>>,
}

#[derive(Debug, Clone, Copy)]
struct Jitter {
    transit: u32,
    value_x16: u32,
}

/// Ways in which a packet does not belong to the call at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Live,
    Held,
    Ended,
}

impl Tally {
    pub(crate) fn new(own_stream: u64) -> Self {
        let histogram = || Histogram::new_with_bounds(1, DELAY_US_MAX, 3).ok();
        Self {
            report: MediaReport { own_stream, ..MediaReport::default() },
            seen: BTreeMap::new(),
            jitter: BTreeMap::new(),
            last_ssrc: None,
            last_source: None,
            last_arrival_ns: None,
            last_sr: None,
            delay_us: histogram(),
            gap_us: histogram(),
        }
    }

    pub(crate) fn report(&self) -> MediaReport {
        let mut report = self.report.clone();
        report.delay = spread(self.delay_us.as_ref());
        report.gap = spread(self.gap_us.as_ref());
        report
    }

    pub(crate) fn counts(&mut self) -> &mut MediaReport {
        &mut self.report
    }

    /// Counts one datagram of the RTP port; the packet when it is one.
    pub(crate) fn handle_rtp<'b>(
        &mut self,
        bytes: &'b [u8],
        source: SocketAddr,
        moment: Moment,
    ) -> Option<Packet<'b>> {
        self.report.received += 1;
        match moment {
            Moment::Live => {}
            Moment::Held => self.report.while_held += 1,
            Moment::Ended => self.report.after_end += 1,
        }
        let Some(packet) = Packet::parse(bytes) else {
            self.report.malformed += 1;
            return None;
        };
        self.count_source(source);
        self.count_ssrc(&packet);
        if !self.report.payload_types.contains(&packet.payload_type) {
            self.report.payload_types.push(packet.payload_type);
            self.report.payload_types.sort_unstable();
        }
        match read_mark(packet.payload) {
            Mark::Good(stamp) => {
                self.report.verified += 1;
                self.count_stream(stamp.stream, stamp.sequence);
                let now = clock_ns();
                if stamp.same_process {
                    record(&mut self.delay_us, now.saturating_sub(stamp.sent_ns));
                }
                if let Some(last) = self.last_arrival_ns.replace(now) {
                    record(&mut self.gap_us, now.saturating_sub(last));
                }
            }
            Mark::Corrupt => self.report.corrupt += 1,
            Mark::Foreign => self.report.foreign += 1,
        }
        Some(packet)
    }

    /// Counts one datagram of the RTCP port.
    pub(crate) fn handle_rtcp(&mut self, bytes: &[u8], own_ssrc: u32) {
        let rtcp = &mut self.report.rtcp;
        rtcp.received += 1;
        let Some(compound) = parse_rtcp(bytes) else {
            rtcp.malformed += 1;
            return;
        };
        if let Some(sent) = compound.sent {
            self.last_sr = Some((sent, clock_ns()));
        }
        for kind in compound.kinds {
            match kind {
                200 => rtcp.sr += 1,
                201 => rtcp.rr += 1,
                202 => rtcp.sdes += 1,
                203 => rtcp.bye += 1,
                _ => {}
            }
        }
        if let Some(block) = compound.blocks.into_iter().rfind(|b| b.ssrc == own_ssrc) {
            rtcp.about_us = Some(block);
        }
    }

    /// A reception report about the source heard last.
    pub(crate) fn report_block(&self) -> Option<ReportBlock> {
        let heard = self.report.ssrcs.iter().find(|s| Some(s.ssrc) == self.last_ssrc)?;
        let expected = heard.highest.wrapping_sub(u32::from(heard.first_sequence)) + 1;
        let received = u32::try_from(heard.packets).unwrap_or(u32::MAX);
        let lost = expected.saturating_sub(received).min(0x7F_FFFF);
        let share = (u64::from(lost) * 256).checked_div(u64::from(expected)).unwrap_or(0);
        let jitter = self.jitter.get(&heard.ssrc).map_or(0, |j| j.value_x16 >> 4);
        Some(ReportBlock {
            ssrc: heard.ssrc,
            fraction_lost: u8::try_from(share).unwrap_or(u8::MAX),
            lost,
            highest: heard.highest,
            jitter,
            last_sr: self.last_sr.map_or(0, |(sent, _)| sent),
            delay: self.last_sr.map_or(0, |(_, at_ns)| {
                let held_ns = clock_ns().saturating_sub(at_ns);
                let units = (u128::from(held_ns) << 16) / 1_000_000_000;
                u32::try_from(units).unwrap_or(u32::MAX)
            }),
        })
    }

    fn count_source(&mut self, source: SocketAddr) {
        if self.last_source.replace(source).is_some_and(|last| last != source) {
            self.report.source_changes += 1;
        }
        let sources = &mut self.report.sources;
        if let Some((_, packets)) = sources.iter_mut().find(|(addr, _)| *addr == source) {
            *packets += 1;
        } else if sources.len() < STREAMS_MAX {
            sources.push((source, 1));
        }
    }

    fn count_ssrc(&mut self, packet: &Packet<'_>) {
        if self.last_ssrc.replace(packet.ssrc).is_some_and(|last| last != packet.ssrc) {
            self.report.ssrc_changes += 1;
        }
        self.count_jitter(packet);
        let ssrcs = &mut self.report.ssrcs;
        let Some(heard) = ssrcs.iter_mut().find(|s| s.ssrc == packet.ssrc) else {
            if ssrcs.len() < STREAMS_MAX {
                let (ssrc, first_sequence) = (packet.ssrc, packet.sequence);
                let highest = u32::from(first_sequence);
                ssrcs.push(SsrcReport { ssrc, packets: 1, first_sequence, highest });
            }
            return;
        };
        heard.packets += 1;
        let [.., high, low] = heard.highest.to_be_bytes();
        let ahead = packet.sequence.wrapping_sub(u16::from_be_bytes([high, low]));
        if ahead < 0x8000 {
            heard.highest = heard.highest.wrapping_add(u32::from(ahead));
        }
    }

    /// RFC 3550 A.8, with the arrival in units of an 8 kHz clock.
    fn count_jitter(&mut self, packet: &Packet<'_>) {
        let [.., a, b, c, d] = (clock_ns() / 125_000).to_be_bytes();
        let transit = u32::from_be_bytes([a, b, c, d]).wrapping_sub(packet.timestamp);
        if self.jitter.len() >= STREAMS_MAX && !self.jitter.contains_key(&packet.ssrc) {
            return;
        }
        let entry = self.jitter.entry(packet.ssrc).or_insert(Jitter { transit, value_x16: 0 });
        let ahead = transit.wrapping_sub(entry.transit);
        let distance = ahead.min(ahead.wrapping_neg());
        entry.transit = transit;
        let decayed = entry.value_x16.saturating_sub((entry.value_x16 + 8) >> 4);
        entry.value_x16 = decayed.saturating_add(distance);
    }

    fn count_stream(&mut self, stream: u64, sequence: u64) {
        if sequence >= STREAM_PACKETS_MAX {
            return;
        }
        let streams = &mut self.report.streams;
        let at = match streams.iter().position(|s| s.stream == stream) {
            Some(at) => at,
            None if streams.len() >= STREAMS_MAX => return,
            None => {
                let (received, lost, duplicated, reordered, highest) = (0, 0, 0, 0, 0);
                streams.push(StreamReport {
                    stream,
                    received,
                    lost,
                    duplicated,
                    reordered,
                    highest,
                });
                streams.len() - 1
            }
        };
        let Some(heard) = streams.get_mut(at) else { return };
        let bits = self.seen.entry(stream).or_default();
        let (word, bit) = (usize::try_from(sequence / 64).unwrap_or(0), 1 << (sequence % 64));
        if bits.len() <= word {
            bits.resize(word + 1, 0);
        }
        let Some(word) = bits.get_mut(word) else { return };
        if *word & bit != 0 {
            heard.duplicated += 1;
            return;
        }
        *word |= bit;
        if heard.received > 0 && sequence < heard.highest {
            heard.reordered += 1;
        }
        heard.received += 1;
        heard.highest = heard.highest.max(sequence);
        heard.lost = heard.highest + 1 - heard.received;
    }
}

fn record(histogram: &mut Option<Histogram<u64>>, ns: u64) {
    if let Some(histogram) = histogram {
        histogram.saturating_record((ns / 1_000).clamp(1, DELAY_US_MAX));
    }
}

fn spread(histogram: Option<&Histogram<u64>>) -> Spread {
    histogram.map_or_else(Spread::default, |h| Spread {
        count: h.len(),
        p50_us: h.value_at_quantile(0.5),
        p99_us: h.value_at_quantile(0.99),
        max_us: h.max(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{marked_payload, rtcp_compound};

    fn hear(tally: &mut Tally, stream: u64, place: u64, rtp_sequence: u16, ssrc: u32, port: u16) {
        let payload = marked_payload(stream, place, 160);
        let packet = Packet {
            marker: false,
            payload_type: 0,
            sequence: rtp_sequence,
            timestamp: 0,
            ssrc,
            payload: &payload,
        };
        let source = SocketAddr::from(([127, 0, 0, 1], port));
        tally.handle_rtp(&packet.to_bytes(), source, Moment::Live);
    }

    #[test]
    fn lost_doubled_and_late_packets_are_told_apart() {
        let mut tally = Tally::new(1);
        for place in [0, 1, 4, 3, 3, 6] {
            hear(&mut tally, 9, place, u16::try_from(place).unwrap(), 7, 4000);
        }
        let report = tally.report();
        let expect = StreamReport {
            stream: 9,
            received: 5,
            lost: 2,
            duplicated: 1,
            reordered: 1,
            highest: 6,
        };
        assert_eq!(report.streams, vec![expect]);
        assert_eq!(report.lost_of(9, 10), 5);
        assert_eq!(report.lost_of(8, 10), 10);
        assert_eq!((report.verified, report.foreign, report.corrupt), (6, 0, 0));
        assert_eq!(report.strangers(&[9]), Vec::<u64>::new());
        assert_eq!(report.strangers(&[]), vec![9]);
        assert_eq!(report.delay.count, 6);
        assert_eq!(report.gap.count, 5);
    }

    #[test]
    fn changes_of_source_and_ssrc_and_the_turn_of_sequence_numbers_are_seen() {
        let mut tally = Tally::new(1);
        hear(&mut tally, 9, 0, 65_534, 7, 4000);
        hear(&mut tally, 9, 1, 65_535, 7, 4000);
        hear(&mut tally, 9, 2, 1, 7, 4000);
        let block = tally.report_block().unwrap();
        assert_eq!((block.highest, block.lost, block.fraction_lost), (65_537, 1, 64));
        hear(&mut tally, 9, 3, 1, 8, 4002);
        hear(&mut tally, 9, 4, 2, 7, 4000);
        let report = tally.report();
        assert_eq!((report.ssrc_changes, report.source_changes), (2, 2));
        assert_eq!(report.ssrcs.len(), 2);
        assert_eq!(report.sources.len(), 2);
    }

    #[test]
    fn junk_held_and_late_datagrams_are_counted() {
        let mut tally = Tally::new(1);
        let source = SocketAddr::from(([127, 0, 0, 1], 4000));
        assert!(tally.handle_rtp(b"junk", source, Moment::Held).is_none());
        let packet = Packet {
            marker: false,
            payload_type: 13,
            sequence: 0,
            timestamp: 0,
            ssrc: 1,
            payload: &[0xFF; 160],
        };
        assert!(tally.handle_rtp(&packet.to_bytes(), source, Moment::Ended).is_some());
        let report = tally.report();
        assert_eq!((report.malformed, report.while_held, report.after_end), (1, 1, 1));
        assert_eq!((report.foreign, report.payload_types), (1, vec![13]));
    }

    #[test]
    fn rtcp_is_counted_by_kind() {
        let mut tally = Tally::new(1);
        let block = ReportBlock { ssrc: 5, ..ReportBlock::default() };
        tally.handle_rtcp(&rtcp_compound(6, None, Some(block), "a", true), 5);
        tally.handle_rtcp(&rtcp_compound(6, Some(Default::default()), None, "a", false), 5);
        tally.handle_rtcp(b"junk", 5);
        let rtcp = tally.report().rtcp;
        assert_eq!((rtcp.received, rtcp.sr, rtcp.rr, rtcp.bye), (3, 1, 1, 1));
        assert_eq!((rtcp.malformed, rtcp.about_us), (1, Some(block)));
    }
}
