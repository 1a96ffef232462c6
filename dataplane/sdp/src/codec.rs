//! Codecs as descriptions name them, and the payload types of RFC 3551 that need no name.

use crate::attribute::RtpMap;

/// A codec of ours, to be offered or to be found in an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Codec<'a> {
    /// The payload type that we offer it with; an answer takes the offer's.
    pub payload_type: u8,
    /// The encoding's name.
    pub encoding: &'a str,
    /// The clock of its timestamps, in Hz.
    pub clock_hz: u32,
    /// Audio channels.
    pub channels: u8,
    /// Parameters for `a=fmtp`.
    pub fmtp: Option<&'a str>,
}

impl Codec<'_> {
    /// G.711 u-law.
    pub const PCMU: Codec<'static> = voice(0, "PCMU");
    /// G.711 A-law.
    pub const PCMA: Codec<'static> = voice(8, "PCMA");

    /// Whether `map` names this codec, whatever its payload type.
    #[must_use]
    pub fn matches(&self, map: &RtpMap<'_>) -> bool {
        map.encoding.eq_ignore_ascii_case(self.encoding.as_bytes())
            && (map.clock_hz, map.channels) == (self.clock_hz, self.channels)
    }
}

const fn voice(payload_type: u8, encoding: &'static str) -> Codec<'static> {
    Codec { payload_type, encoding, clock_hz: 8000, channels: 1, fmtp: None }
}

/// The encoding of a payload type that may stand without `a=rtpmap`: RFC 3551 tables 4 and 5.
pub(crate) fn static_map(payload_type: u8) -> Option<RtpMap<'static>> {
    let (encoding, clock_hz, channels): (&[u8], u32, u8) = match payload_type {
        0 => (b"PCMU", 8000, 1),
        3 => (b"GSM", 8000, 1),
        4 => (b"G723", 8000, 1),
        5 => (b"DVI4", 8000, 1),
        6 => (b"DVI4", 16_000, 1),
        7 => (b"LPC", 8000, 1),
        8 => (b"PCMA", 8000, 1),
        9 => (b"G722", 8000, 1), // 16 kHz of sound on an 8 kHz clock: RFC 3551 section 4.5.2
        10 => (b"L16", 44_100, 2),
        11 => (b"L16", 44_100, 1),
        12 => (b"QCELP", 8000, 1),
        13 => (b"CN", 8000, 1),
        14 => (b"MPA", 90_000, 1),
        15 => (b"G728", 8000, 1),
        16 => (b"DVI4", 11_025, 1),
        17 => (b"DVI4", 22_050, 1),
        18 => (b"G729", 8000, 1),
        25 => (b"CelB", 90_000, 1),
        26 => (b"JPEG", 90_000, 1),
        28 => (b"nv", 90_000, 1),
        31 => (b"H261", 90_000, 1),
        32 => (b"MPV", 90_000, 1),
        33 => (b"MP2T", 90_000, 1),
        34 => (b"H263", 90_000, 1),
        1 | 2 | 19..=24 | 27 | 29 | 30 | 35..=255 => return None,
    };
    Some(RtpMap { payload_type, encoding, clock_hz, channels })
}

#[cfg(test)]
mod tests {
    use super::{Codec, static_map};
    use crate::attribute::RtpMap;

    #[test]
    fn a_codec_matches_by_name_clock_and_channels() {
        let map = |text: &'static [u8]| RtpMap::parse(text).unwrap();
        assert!(Codec::PCMA.matches(&map(b"97 pcma/8000")));
        assert!(!Codec::PCMA.matches(&map(b"8 PCMA/16000")));
        assert!(!Codec::PCMA.matches(&map(b"8 PCMA/8000/2")));
        assert!(!Codec::PCMA.matches(&map(b"8 PCMU/8000")));
        assert!(Codec::PCMU.matches(&static_map(0).unwrap()));
        assert_eq!(static_map(96), None);
    }
}
