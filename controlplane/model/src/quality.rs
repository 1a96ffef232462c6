//! How a call sounded: the E-model of ITU-T G.107, simplified and in integers, and what its counts
//! say of audio that nobody heard (spec C-STA-02; ADR 0154).
//!
//! `R = 93.2 - Id - Ie,eff`, where delay takes `Id = 0.024 d + 0.11 (d - 177.3)` (the second part
//! beyond 177.3 ms) and codec and loss take `Ie,eff = Ie + (95 - Ie) P / (P + Bpl)` with losses at
//! random; the values of codecs are those of G.113 Appendix I. R becomes a mean opinion score by
//! G.107 Annex B. The scale is that of telephony: what a wideband codec has above it is not told.

use crate::{Cdr, CdrMedia};

/// The score of speech that nothing impairs, hundredths.
pub const MOS_MAX: u16 = 450;
/// The score of what nobody understands, hundredths.
pub const MOS_MIN: u16 = 100;
/// From here on a call is good: few are dissatisfied (G.107 Annex B), hundredths.
pub const MOS_GOOD_MIN: u16 = 360;
/// Below it is bad: nearly all are dissatisfied, hundredths.
pub const MOS_FAIR_MIN: u16 = 310;
/// Talk below so much says nothing of audio, milliseconds.
pub const TALK_MS_MIN: u64 = 5_000;
/// Fewer packets from both sides together say nothing of which side is silent.
pub const PACKETS_MIN: u64 = 100;
/// A sound that goes on so long behind the answer is one that rings on: what a gateway has on its
/// way when it answers is shorter, milliseconds.
pub const RANG_MS_MIN: u32 = 1_000;
/// A called party that sends nothing for so long after its answer has not answered, milliseconds.
pub const SILENT_MS_MIN: u32 = 5_000;
/// A side is silent when the other sent so many times what it did.
const ONE_WAY: u64 = 9;

/// R of a call that nothing impairs, thousandths.
const R_BEST: i64 = 93_200;
/// Packets of this time are taken for usual, microseconds.
const PACKET_US: i64 = 20_000;
/// A jitter buffer holds twice the jitter, at least this, at most the next, microseconds.
const BUFFER_US_MIN: i64 = 20_000;
const BUFFER_US_MAX: i64 = 200_000;
/// Delay from here on takes more, microseconds.
const DELAY_KNEE_US: i64 = 177_300;
/// A hundredth of a score, where ratings are thousandths.
const SCALE: i64 = 10_000_000_000_000;

/// Speech of one direction, as far as it was measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Speech<'a> {
    /// Codec, by its name in descriptions.
    pub codec: &'a str,
    /// Packets that came.
    pub received: u64,
    /// Packets that did not.
    pub lost: u64,
    /// Interarrival jitter, microseconds.
    pub jitter_us: u32,
    /// The network's part of the delay, one way, microseconds.
    pub delay_us: u32,
}

/// Impairment of a codec, and how it bears loss, tenths.
struct Codec {
    name: &'static str,
    ie: i64,
    bpl_tenths: i64,
}

const fn codec(name: &'static str, ie: i64, bpl_tenths: i64) -> Codec {
    Codec { name, ie, bpl_tenths }
}

/// G.711 with concealment of loss; what is not listed is taken for as good.
const G711: Codec = codec("PCMA", 0, 251);

const CODECS: [Codec; 11] = [
    codec("G729", 11, 190),
    codec("G723", 15, 161),
    codec("GSM", 20, 100),
    codec("GSM-EFR", 5, 100),
    codec("AMR", 5, 100),
    codec("iLBC", 11, 320),
    codec("G728", 7, 100),
    codec("G726-40", 2, 100),
    codec("G726-32", 7, 100),
    codec("G726-24", 25, 100),
    codec("G726-16", 50, 100),
];

/// The mean opinion score of speech, hundredths; `None` of none.
#[must_use]
pub fn mos(speech: &Speech<'_>) -> Option<u16> {
    if speech.received == 0 {
        return None;
    }
    let known = CODECS.iter().find(|codec| codec.name.eq_ignore_ascii_case(speech.codec));
    let Codec { ie, bpl_tenths, .. } = known.unwrap_or(&G711);
    let sent = u128::from(speech.received) + u128::from(speech.lost);
    let loss_ppm = u128::from(speech.lost) * 1_000_000 / sent;
    let loss_ppm = i64::try_from(loss_ppm).unwrap_or(1_000_000);
    // Bpl is per cent: a tenth of it is 1,000 ppm.
    let by_loss = (95 - ie) * 1_000 * loss_ppm / (loss_ppm + bpl_tenths * 1_000);
    let buffer_us = (2 * i64::from(speech.jitter_us)).clamp(BUFFER_US_MIN, BUFFER_US_MAX);
    let delay_us = i64::from(speech.delay_us) + buffer_us + PACKET_US;
    let by_delay = 24 * delay_us / 1_000 + 110 * (delay_us - DELAY_KNEE_US).max(0) / 1_000;
    Some(score(R_BEST - by_delay - ie * 1_000 - by_loss))
}

/// The score of a rating, thousandths, in hundredths.
fn score(r: i64) -> u16 {
    if r <= 0 {
        return MOS_MIN;
    }
    let r = r.min(100_000);
    // 1 + 0.035 R + 7e-6 R (R - 60) (100 - R), every part at the scale of the last.
    let above = 35_000_000_000 * r + 7 * r * (r - 60_000) * (100_000 - r);
    let score = 100 + (above + SCALE / 2).div_euclid(SCALE);
    u16::try_from(score).unwrap_or(MOS_MIN).clamp(MOS_MIN, MOS_MAX)
}

/// What a call was like to hear.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Audio {
    /// No audio came from either side.
    None,
    /// Only the caller was heard.
    CallerOnly,
    /// Only the called party was heard.
    CalledOnly,
    /// Nearly all would be dissatisfied.
    Bad,
    /// Many would be.
    Fair,
    /// Few would be.
    Good,
}

/// What an answered call of two relayed legs was like to hear; `None` of any other, and of one too
/// short to tell.
#[must_use]
pub fn audio(cdr: &Cdr) -> Option<Audio> {
    judge(cdr.times.talk_ms, cdr.caller_media.as_ref()?, cdr.called_media.as_ref()?)
}

/// What an answered call of two relayed legs is like to hear by now, as [`audio`] of a record.
#[must_use]
pub fn audio_so_far(talk_ms: u64, caller: &CdrMedia, called: &CdrMedia) -> Option<Audio> {
    judge(talk_ms, caller, called)
}

/// The worst of the scores that are known of a call's four directions, hundredths.
#[must_use]
pub fn worst_score(caller: &CdrMedia, called: &CdrMedia) -> Option<u16> {
    let heard = |media: &CdrMedia| media.heard.as_ref().and_then(|heard| heard.mos);
    [caller.mos, called.mos, heard(caller), heard(called)].into_iter().flatten().min()
}

/// Why an answer is taken for false.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FalseAnswer {
    /// The called party sent on behind it what it had sent before, bit by bit: it rings.
    RingsOn,
    /// The called party sent nothing behind it, although the caller spoke.
    Silent,
}

/// Whether the answer of a call was false, as far as packets tell (ADR 0174).
#[must_use]
pub fn false_answer(caller: &CdrMedia, called: &CdrMedia) -> Option<FalseAnswer> {
    if called.rang_ms >= RANG_MS_MIN {
        return Some(FalseAnswer::RingsOn);
    }
    let is_silent = called.silent_ms.is_some_and(|ms| ms >= SILENT_MS_MIN);
    (is_silent && caller.received >= PACKETS_MIN).then_some(FalseAnswer::Silent)
}

fn judge(talk_ms: u64, caller: &CdrMedia, called: &CdrMedia) -> Option<Audio> {
    if talk_ms < TALK_MS_MIN {
        return None;
    }
    let (from_caller, from_called) = (caller.received, called.received);
    if from_caller == 0 && from_called == 0 {
        return Some(Audio::None);
    }
    if from_caller.max(from_called) < PACKETS_MIN {
        return None;
    }
    if from_called.saturating_mul(ONE_WAY) < from_caller {
        return Some(Audio::CallerOnly);
    }
    if from_caller.saturating_mul(ONE_WAY) < from_called {
        return Some(Audio::CalledOnly);
    }
    Some(match worst_score(caller, called)? {
        MOS_GOOD_MIN.. => Audio::Good,
        MOS_FAIR_MIN..MOS_GOOD_MIN => Audio::Fair,
        _ => Audio::Bad,
    })
}

#[cfg(test)]
mod tests {
    use super::{Audio, FalseAnswer, MOS_MAX, MOS_MIN, Speech, false_answer, judge, mos, score};
    use crate::{CdrHeard, CdrMedia};

    fn check(codec: &str, lost: u64, jitter_us: u32, delay_us: u32, expected: u16) {
        let speech = Speech { codec, received: 1_000 - lost, lost, jitter_us, delay_us };
        let score = mos(&speech).unwrap();
        assert_eq!(score, expected, "{codec}, {lost} of 1000 lost, {jitter_us}, {delay_us}");
    }

    /// Against the model computed by hand, in reals.
    #[test]
    fn the_table_of_scores() {
        // A buffer of 20 ms and a packet of 20: Id 0.96, R 92.24.
        check("PCMU", 0, 0, 0, 439);
        check("G729", 0, 0, 0, 407);
        check("G723", 0, 0, 0, 392);
        // 5 % of G.711: Ie,eff 95 * 5 / 30.1 = 15.78, R 76.46.
        check("PCMA", 50, 0, 0, 388);
        // 10 % of G.729: 11 + 84 * 10 / 29 = 39.97, R 52.27.
        check("G729", 100, 0, 0, 269);
        // Jitter of 50 ms makes 100 ms of buffer; 300 ms of network: d 420, Id 36.78, R 56.42.
        check("PCMU", 0, 50_000, 300_000, 291);
        // What is not known counts as G.711.
        check("opus", 0, 0, 0, 439);
        check("pcmu", 999, 0, 0, 115);
    }

    #[test]
    fn scores_rise_with_the_rating_and_stay_in_their_range() {
        // Below 6.5 the formula falls beneath 1, which the scale does not have.
        let scores: Vec<u16> = (-10..=110).map(|r| score(r * 1_000)).collect();
        assert!(scores.iter().all(|score| (MOS_MIN..=MOS_MAX).contains(score)));
        assert!(scores.windows(2).all(|pair| pair[0] <= pair[1]), "{scores:?}");
        assert_eq!((score(0), score(100_000), score(93_200)), (100, 450, 441));
    }

    /// Media of a leg that sent so many packets, with these scores of its own and of what it heard.
    fn leg(received: u64, mos: Option<u16>, heard: Option<u16>) -> CdrMedia {
        let told = |mos| CdrHeard {
            reports: 1,
            lost: 0,
            jitter_us: 0,
            round_trip_us: None,
            round_trip_us_max: None,
            mos: Some(mos),
        };
        CdrMedia {
            received,
            received_octets: 0,
            sent: 0,
            sent_octets: 0,
            lost: 0,
            jitter_us: 0,
            jitter_us_max: 0,
            dropped: 0,
            payload_type: None,
            codec: String::new(),
            remote: None,
            mos,
            heard: heard.map(told),
            silent_ms: None,
            rang_ms: 0,
        }
    }

    #[test]
    fn an_answer_is_false_when_it_rings_on_or_nothing_comes() {
        let called = |rang_ms, silent_ms| CdrMedia { rang_ms, silent_ms, ..leg(300, None, None) };
        for (caller, called, expected) in [
            (leg(300, None, None), called(0, Some(80)), None),
            (leg(300, None, None), called(999, Some(80)), None),
            (leg(300, None, None), called(1_000, Some(80)), Some(FalseAnswer::RingsOn)),
            (leg(0, None, None), called(8_000, Some(0)), Some(FalseAnswer::RingsOn)),
            (leg(300, None, None), called(0, Some(4_999)), None),
            (leg(300, None, None), called(0, Some(5_000)), Some(FalseAnswer::Silent)),
            // Who is silent too may be one of two machines that wait.
            (leg(99, None, None), called(0, Some(60_000)), None),
            (leg(300, None, None), called(0, None), None),
        ] {
            assert_eq!(false_answer(&caller, &called), expected, "{called:?}");
        }
    }

    #[test]
    fn a_call_is_as_good_as_the_worst_that_anybody_heard() {
        let good = || leg(300, Some(439), None);
        for (talk_ms, caller, called, expected) in [
            (6_000, good(), good(), Some(Audio::Good)),
            (4_999, good(), good(), None),
            (6_000, leg(0, None, None), leg(0, None, None), Some(Audio::None)),
            (6_000, good(), leg(0, None, None), Some(Audio::CallerOnly)),
            (6_000, leg(33, Some(439), None), good(), Some(Audio::CalledOnly)),
            (6_000, leg(34, Some(439), None), good(), Some(Audio::Good)),
            (6_000, leg(99, Some(439), None), leg(0, None, None), None),
            (6_000, good(), leg(300, Some(359), None), Some(Audio::Fair)),
            (6_000, leg(300, Some(309), None), good(), Some(Audio::Bad)),
            (6_000, leg(300, Some(439), Some(200)), good(), Some(Audio::Bad)),
            (6_000, good(), leg(300, Some(439), Some(360)), Some(Audio::Good)),
        ] {
            assert_eq!(judge(talk_ms, &caller, &called), expected, "{caller:?} {called:?}");
        }
    }

    #[test]
    fn no_count_is_too_large_and_nothing_has_no_score() {
        let speech =
            Speech { codec: "", received: u64::MAX, lost: u64::MAX, jitter_us: 0, delay_us: 0 };
        assert!(mos(&speech).is_some());
        let worst = Speech { jitter_us: u32::MAX, delay_us: u32::MAX, ..speech };
        assert_eq!(mos(&worst), Some(MOS_MIN));
        assert_eq!(mos(&Speech { received: 0, ..speech }), None);
    }
}
