use super::{Arrival, Reception};
use core::num::NonZeroU32;
use proptest::prelude::*;
use strowger_link::Tick;

fn reception() -> Reception {
    Reception::new(NonZeroU32::new(8000).unwrap())
}

fn arrival(ssrc: u32, sequence: u16) -> Arrival {
    let timestamp = u32::from(sequence).wrapping_mul(160);
    Arrival { ssrc, sequence, timestamp, payload_type: 8, is_event: false }
}

fn at(ms: u64) -> Tick {
    Tick(0).plus_ms(ms)
}

/// Packets of one source, a packet each 20 ms; gives packets and loss.
fn after(sequences: &[u16]) -> (u64, u64) {
    let mut reception = reception();
    for (nth, sequence) in sequences.iter().enumerate() {
        reception.count_rtp(&arrival(7, *sequence), 172, at(20 * nth as u64));
    }
    (reception.packets(), reception.lost())
}

#[test]
fn the_table_of_loss() {
    for (sequences, packets, lost, what) in [
        (vec![], 0, 0, "nothing"),
        (vec![5], 1, 0, "the first packet"),
        (vec![5, 6, 7], 3, 0, "in order"),
        (vec![5, 7, 10], 3, 3, "6, 8 and 9 lost"),
        (vec![5, 7, 6, 8], 4, 0, "6 late"),
        (vec![5, 6, 6, 7], 4, 0, "6 twice: not below 0"),
        (vec![5, 6, 6, 8], 4, 0, "6 twice, 7 lost: the RFC counts them against each other"),
        (vec![65_534, 65_535, 0, 1], 4, 0, "over the edge"),
        (vec![65_534, 0, 1], 3, 1, "65535 lost at the edge"),
        (vec![65_535, 1, 65_535], 3, 0, "0 lost, 65535 twice"),
        (vec![0, 65_535, 1], 3, 0, "one before the first: not below 0"),
        (vec![10, 3_009], 2, 2_998, "a long loss"),
        (vec![10, 3_010], 2, 0, "a jump, not yet believed"),
        (vec![10, 12, 30_000, 30_001, 30_003], 5, 2, "a restart: 11 and 30002 lost"),
        (vec![200, 100, 201], 3, 0, "100 behind is late"),
        (vec![200, 99, 201], 3, 0, "101 behind is a jump, not believed"),
    ] {
        assert_eq!(after(&sequences), (packets, lost), "{what}");
    }
}

#[test]
fn a_new_source_begins_a_new_run() {
    let mut reception = reception();
    for (ssrc, sequence) in [(7, 1), (7, 3), (8, 60_000), (8, 60_003), (7, 4)] {
        reception.count_rtp(&arrival(ssrc, sequence), 172, at(0));
    }
    assert_eq!((reception.packets(), reception.octets()), (5, 860));
    assert_eq!((reception.lost(), reception.ssrc()), (1 + 2, Some(7)));
}

#[test]
fn two_cycles_are_counted() {
    let mut reception = reception();
    let mut sequence = 0u16;
    for nth in 0..131_072u64 {
        if nth % 1000 != 0 {
            reception.count_rtp(&arrival(7, sequence), 172, at(20 * nth));
        }
        sequence = sequence.wrapping_add(1);
    }
    assert_eq!(reception.packets() + reception.lost(), 131_071);
    assert_eq!(reception.lost(), 131);
}

/// A packet each 20 ms, the n-th late by `late_ms[n]`; gives the jitter at the end and its
/// highest, in microseconds.
fn jitter(late_ms: &[u64]) -> (u32, u32) {
    let mut reception = reception();
    for (nth, late) in late_ms.iter().enumerate() {
        reception.count_rtp(&arrival(7, nth as u16), 172, at(1_000_000 + 20 * nth as u64 + late));
    }
    reception.jitter_us()
}

#[test]
fn the_table_of_jitter() {
    assert_eq!(jitter(&[0; 50]), (0, 0));
    assert_eq!(jitter(&[300; 50]), (0, 0)); // late is not jitter
    // One step of 80 units: 80/16 = 5 units = 625 us, and again on the way back, 9 7/8 units.
    assert_eq!(jitter(&[0, 10]), (625, 625));
    assert_eq!(jitter(&[0, 10, 0]), (1125, 1125));
    let alternating: Vec<u64> = (0..500).map(|nth| nth % 2 * 10).collect();
    let (end, highest) = jitter(&alternating);
    assert!((9_800..=10_000).contains(&end), "{end}");
    assert_eq!(end, highest);
    assert_eq!(jitter(&[0, 0, 5_000, 5_000]), (0, 0)); // another timeline
}

#[test]
fn events_and_restarts_are_no_jitter() {
    let mut reception = reception();
    reception.count_rtp(&arrival(7, 0), 172, at(0));
    for nth in 1..9u16 {
        let event =
            Arrival { timestamp: 160, payload_type: 101, is_event: true, ..arrival(7, nth) };
        reception.count_rtp(&event, 16, at(20 * u64::from(nth)));
    }
    reception.count_rtp(&arrival(7, 9), 172, at(180));
    assert_eq!(reception.jitter_us(), (0, 0));
    assert_eq!(reception.payload_type(), Some(8));
    reception.count_rtp(&arrival(8, 5_000), 172, at(200));
    reception.count_rtp(&arrival(8, 5_001), 172, at(220));
    assert_eq!((reception.jitter_us(), reception.lost()), ((0, 0), 0));
    assert_eq!(reception.span(), Some((at(0), at(220))));
}

#[test]
fn a_stream_is_continued_after_silence_only() {
    let mut reception = reception();
    let continued = |reception: &Reception, ssrc, sequence, ms| {
        reception.is_continued_by(&arrival(ssrc, sequence), 2_000, at(ms))
    };
    assert!(!continued(&reception, 0, 1, 9_000)); // nothing to continue
    reception.count_rtp(&arrival(7, 65_535), 172, at(1_000));
    assert!(continued(&reception, 7, 100, 3_000));
    assert!(!continued(&reception, 7, 100, 2_999)); // not silent
    assert!(!continued(&reception, 8, 100, 3_000)); // another source
    assert!(!continued(&reception, 7, 65_535, 3_000)); // a packet again
    assert!(!continued(&reception, 7, 65_000, 3_000)); // an old packet
}

proptest! {
    /// The integers of A.8 against the formula of section 6.4.1 in floating point.
    #[test]
    fn jitter_is_that_of_the_formula(late_ms in prop::collection::vec(0u64..60, 2..200)) {
        let mut expected = 0f64;
        let mut highest = 0f64;
        for pair in late_ms.windows(2) {
            let units = 8f64 * (pair[1] as f64 - pair[0] as f64);
            expected += (units.abs() - expected) / 16.0;
            highest = highest.max(expected);
        }
        let (end, max) = jitter(&late_ms);
        // The report is cut to a whole unit, 125 us, and the running value rounds.
        prop_assert!((f64::from(end) - expected * 125.0).abs() <= 250.0, "{end} {expected}");
        prop_assert!((f64::from(max) - highest * 125.0).abs() <= 250.0, "{max} {highest}");
    }

    /// Packets received and lost make up what was sent, up to the last that arrived.
    #[test]
    fn what_is_not_received_is_lost(
        first: u16,
        arrives in prop::collection::vec(any::<bool>(), 1..500),
    ) {
        let sequences: Vec<u16> = arrives
            .iter()
            .enumerate()
            .filter(|(_, arrives)| **arrives)
            .map(|(nth, _)| first.wrapping_add(nth as u16))
            .collect();
        let (packets, lost) = after(&sequences);
        let span = match (sequences.first(), sequences.last()) {
            (Some(first), Some(last)) => u64::from(last.wrapping_sub(*first)) + 1,
            _ => 0,
        };
        prop_assert_eq!(packets + lost, span);
    }

    #[test]
    fn arbitrary_arrivals_never_panic(
        arrivals in prop::collection::vec(any::<(bool, u16, u32, u64, bool)>(), 0..100),
    ) {
        let mut reception = reception();
        for (which, sequence, timestamp, ns, is_event) in arrivals {
            let ssrc = u32::from(which);
            let arrival = Arrival { ssrc, sequence, timestamp, payload_type: 8, is_event };
            reception.count_rtp(&arrival, 172, Tick(ns));
        }
        let (end, highest) = reception.jitter_us();
        prop_assert!(end <= highest);
        prop_assert!(reception.lost() <= reception.packets() * 70_000);
    }
}
