//! What a datagram on a media port is, by its first two octets.
//!
//! For ports whose description says RTP. A UDPTL (T.38) port carries datagrams whose first octet
//! looks like STUN: there the kind comes from the session description, never from the octet.

use crate::octet::u8_at;

/// Kind of a datagram received on an RTP or RTCP port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// First octet 0-3: STUN (RFC 8489).
    Stun,
    /// First octet 16-19: ZRTP (RFC 6189).
    Zrtp,
    /// First octet 20-63: a DTLS record (RFC 5764).
    Dtls,
    /// First octet 64-79: TURN channel data (RFC 8656).
    TurnChannel,
    /// First octet 128-191 and the second not in the RTCP range: RTP or SRTP.
    Rtp,
    /// First octet 128-191 and the second in 192-223: RTCP or SRTCP.
    Rtcp,
    /// Nothing of the above, or no octet at all.
    Unknown,
}

impl Kind {
    /// Tells the kind of `datagram` by the ranges of RFC 7983 section 7, and RTP from RTCP by
    /// RFC 5761 section 4. A datagram of one octet in the RTP range is `Rtp`; the view refuses it.
    #[must_use]
    pub fn of(datagram: &[u8]) -> Kind {
        let Some(first) = datagram.first() else { return Kind::Unknown };
        match first {
            0..=3 => Kind::Stun,
            16..=19 => Kind::Zrtp,
            20..=63 => Kind::Dtls,
            64..=79 => Kind::TurnChannel,
            128..=191 if is_rtcp_type(u8_at(datagram, 1)) => Kind::Rtcp,
            128..=191 => Kind::Rtp,
            4..=15 | 80..=127 | 192..=255 => Kind::Unknown,
        }
    }
}

/// Whether the second octet of a datagram is an RTCP packet type, RFC 5761 section 4: 192-223,
/// that is RTP payload types 64-95 with the marker set, which no RTP stream may use beside RTCP.
#[must_use]
pub const fn is_rtcp_type(second_octet: u8) -> bool {
    matches!(second_octet, 192..=223)
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn every_first_octet_has_its_range() {
        let expected = |first: u8| match first {
            0..=3 => Kind::Stun,
            16..=19 => Kind::Zrtp,
            20..=63 => Kind::Dtls,
            64..=79 => Kind::TurnChannel,
            128..=191 => Kind::Rtp,
            _ => Kind::Unknown,
        };
        for first in 0..=255 {
            assert_eq!(Kind::of(&[first, 0]), expected(first), "first octet {first}");
        }
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_the_second_octet() {
        for second in 0..=255 {
            let expected = if (192..=223).contains(&second) { Kind::Rtcp } else { Kind::Rtp };
            assert_eq!(Kind::of(&[0x80, second]), expected, "second octet {second}");
        }
        // PCMA with the marker set is 136, telephone-event 101 with the marker 229.
        assert_eq!(Kind::of(&[0x80, 136]), Kind::Rtp);
        assert_eq!(Kind::of(&[0x80, 229]), Kind::Rtp);
    }

    #[test]
    fn nothing_is_unknown() {
        assert_eq!(Kind::of(&[]), Kind::Unknown);
        assert_eq!(Kind::of(&[0x80]), Kind::Rtp);
    }
}
