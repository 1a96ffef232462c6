//! HOT PATH
//!
//! What a party sends around its answer: when it began to, and whether the sound that it sent
//! before the answer goes on behind it, bit by bit (a false answer: it still rings).
//!
//! An ear listens to what a flow carries while it rings and for [`LISTEN_MS`] after the answer,
//! and to nothing else: a call without early media has it listen to one packet. It remembers sums
//! of payloads, not sounds. Only G.711 by its static numbers is compared, where loudness can be
//! read from an octet: silence before and after an answer is no ringing.

use crate::limits::{EAR_SUMS, LISTEN_MS, RINGING_MS_MAX};
use strowger_link::Tick;
use strowger_wire::rtp;

/// The static payload types of G.711 (RFC 3551 section 6).
const PCMU: u8 = 0;
const PCMA: u8 = 8;
/// The loudest sample of a payload that is heard, as G.711 numbers loudness from 0 to 127: some
/// 40 dB below full scale. Noise of a line stays below.
const LOUD_MIN: u8 = 48;
/// An odd number without a pattern: that of the golden section.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// What one flow carried around the answer of its call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ear {
    since: Tick,
    answered: Option<Tick>,
    /// First packet after the answer.
    spoke: Option<Tick>,
    /// Last packet after the answer that was sent before it as well.
    rang: Option<Tick>,
    /// Of loud payloads before the answer, the last ones that differ; 0 = none.
    sums: [u32; EAR_SUMS],
    next: u8,
}

/// What a party did after its call was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered {
    /// When it was.
    pub at: Tick,
    /// Its first packet after that.
    pub spoke: Option<Tick>,
    /// The last packet whose sound it had also sent before.
    pub rang: Option<Tick>,
}

impl Ear {
    pub(crate) const fn new(since: Tick) -> Ear {
        Ear { since, answered: None, spoke: None, rang: None, sums: [0; EAR_SUMS], next: 0 }
    }

    /// The call was answered; the first time counts.
    pub(crate) fn answer(&mut self, now: Tick) {
        self.answered = self.answered.or(Some(now));
    }

    /// Hears a packet; `false` when there is nothing more to listen for.
    pub(crate) fn hear(&mut self, octets: &[u8], now: Tick) -> bool {
        let Some(answered) = self.answered else {
            if let Some(sum) = sum(octets) {
                self.remember(sum);
            }
            return now.ms_since(self.since) < RINGING_MS_MAX;
        };
        self.spoke = self.spoke.or(Some(now));
        let [first, ..] = self.sums;
        if first == 0 || now.ms_since(answered) >= LISTEN_MS {
            return false;
        }
        if sum(octets).is_some_and(|sum| self.sums.contains(&sum)) {
            self.rang = Some(now);
        }
        true
    }

    /// What it heard since the answer; `None` before.
    pub(crate) fn told(&self) -> Option<Answered> {
        let Ear { answered, spoke, rang, .. } = *self;
        answered.map(|at| Answered { at, spoke, rang })
    }

    fn remember(&mut self, sum: u32) {
        if self.sums.contains(&sum) {
            return;
        }
        if let Some(place) = self.sums.get_mut(usize::from(self.next)) {
            *place = sum;
        }
        // EAR_SUMS fits in an octet.
        self.next = (self.next + 1) % EAR_SUMS as u8;
    }
}

/// A number that a payload of loud G.711 has, and hardly another one; never 0. `None` of silence,
/// and of what is not compared.
fn sum(octets: &[u8]) -> Option<u32> {
    let packet = rtp::Packet::new_checked(octets).ok()?;
    let payload = packet.payload();
    let is_loud = match packet.payload_type() {
        PCMU => payload.iter().any(|octet| !octet & 0x7f >= LOUD_MIN),
        PCMA => payload.iter().any(|octet| (octet ^ 0x55) & 0x7f >= LOUD_MIN),
        _ => false,
    };
    is_loud.then(|| {
        let (words, rest) = payload.as_chunks::<8>();
        let mix = |sum: u64, word: u64| (sum.rotate_left(23) ^ word).wrapping_mul(MIX);
        let sum = words.iter().fold(0, |sum, word| mix(sum, u64::from_le_bytes(*word)));
        let sum = rest.iter().fold(sum, |sum, octet| mix(sum, u64::from(*octet)));
        ((sum >> 32) as u32).max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::{Answered, Ear, PCMA, PCMU};
    use crate::limits::{LISTEN_MS, RINGING_MS_MAX};
    use strowger_link::Tick;
    use strowger_wire::rtp::Header;

    fn at(ms: u64) -> Tick {
        Tick(1_000_000_000).plus_ms(ms)
    }

    /// 20 ms of G.711: `sound` at each of its octets.
    fn packet(payload_type: u8, sequence: u16, sound: impl Fn(usize) -> u8) -> Vec<u8> {
        let mut octets = vec![0; 172];
        let timestamp = u32::from(sequence) * 160;
        let header = Header { marker: false, payload_type, sequence, timestamp, ssrc: 7 };
        header.emit(&mut octets).unwrap();
        octets[12..].iter_mut().enumerate().for_each(|(place, octet)| *octet = sound(place));
        octets
    }

    /// A tone of 40 samples, loud in A-law and in mu-law, from a place on.
    fn tone(from: usize) -> impl Fn(usize) -> u8 {
        move |place| if (place + from) % 40 < 20 { 0x2a } else { 0xaa }
    }

    /// A second of packets before an answer at 1 s, and so many behind it.
    fn call(before: &dyn Fn(u16) -> Vec<u8>, after: &dyn Fn(u16) -> Vec<u8>, ms: u64) -> Answered {
        let mut ear = Ear::new(at(0));
        (0..50).for_each(|n| assert!(ear.hear(&before(n), at(u64::from(n) * 20))));
        ear.answer(at(1_000));
        ear.answer(at(2_000));
        (50..).map(|n| (n, u64::from(n) * 20)).take_while(|(_, now)| *now < 1_000 + ms).for_each(
            |(n, now)| {
                ear.hear(&after(n), at(now));
            },
        );
        ear.told().unwrap()
    }

    #[test]
    fn what_rings_on_behind_the_answer_is_told() {
        for pt in [PCMU, PCMA] {
            let rings = |n: u16| packet(pt, n, tone(usize::from(n % 5) * 8));
            let speech = |n: u16| {
                let from = u32::from(n) * 160;
                packet(pt, n, move |place| {
                    ((from + place as u32).wrapping_mul(2_654_435_761) >> 24) as u8
                })
            };
            let told = call(&rings, &rings, 3_000);
            let expected =
                Answered { at: at(1_000), spoke: Some(at(1_000)), rang: Some(at(3_980)) };
            assert_eq!(told, expected);
            assert_eq!(call(&rings, &speech, 3_000).rang, None, "somebody speaks");
            assert_eq!(call(&speech, &speech, 3_000).rang, None, "an announcement, then speech");
            assert_eq!(call(&speech, &rings, 3_000).rang, None, "a tone that was not heard before");
            // Silence is no sound, whoever is silent.
            let silence = |n: u16| packet(pt, n, |_| if pt == PCMU { 0xff } else { 0xd5 });
            assert_eq!(call(&silence, &silence, 3_000).rang, None);
        }
        // What cannot be read for loudness is not compared.
        let other = |n: u16| packet(18, n, tone(0));
        assert_eq!(call(&other, &other, 3_000).rang, None);
    }

    #[test]
    fn an_ear_listens_no_longer_than_there_is_something_to_hear() {
        let rings = packet(PCMA, 1, tone(0));
        let mut ear = Ear::new(at(0));
        assert!(ear.hear(&rings, at(RINGING_MS_MAX - 1)));
        assert!(!ear.hear(&rings, at(RINGING_MS_MAX)), "nobody rings for so long");
        ear.answer(at(RINGING_MS_MAX));
        assert!(ear.hear(&rings, at(RINGING_MS_MAX + LISTEN_MS - 1)));
        assert!(!ear.hear(&rings, at(RINGING_MS_MAX + LISTEN_MS)));
        // Without early media one packet says when the party began to speak.
        let mut ear = Ear::new(at(0));
        ear.answer(at(5));
        assert!(!ear.hear(&rings, at(900)));
        let told = Answered { at: at(5), spoke: Some(at(900)), rang: None };
        assert_eq!(ear.told(), Some(told));
        // What is no RTP is no sound, and no fault.
        assert!(Ear::new(at(0)).hear(b"", at(1)));
    }

    #[test]
    fn more_sounds_than_are_remembered_leave_the_last_ones() {
        let sound =
            |n: u16| packet(PCMA, n, move |place| 0x2a ^ ((place as u16 + n * 3) % 64) as u8);
        let last = call(&sound, &|_| sound(49), 200).rang;
        assert!(last.is_some());
        assert_eq!(call(&sound, &|_| sound(2), 200).rang, None);
    }
}
